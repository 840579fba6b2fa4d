"""The best architecture, its layers and the files beside the records."""

import json
import pathlib

import numpy as np
import pytest

from nasjax.run_report import report, run_facts
from nasjax.run_report.run_facts import RunFacts
from nasjax.spaces.layer_chain import LayerChain
from nasjax.spaces.mnasnet import MnasNet
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.spaces.nas_bench_macro import NasBenchMacro
from nasjax.spaces.unit_box import UnitBox
from tests.run_report.small_run import (
    CONFIG,
    CONV,
    CONV7,
    FC,
    NOW,
    POOL,
    add_attention,
    candidate,
    make_run,
    round_row,
    text_of,
    twelve_rows,
)


def collect(run: pathlib.Path, *, later: float = 0.0) -> RunFacts:
    return report.collect(run, clock=lambda: NOW + later)


@pytest.fixture
def run(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_run(tmp_path / "run", twelve_rows())


def test_layers_of_the_best_show_gain_shape_and_costs(run) -> None:
    facts = collect(run)
    assert facts.best is not None and facts.best.architecture == text_of([CONV, POOL, FC])
    gains = [layer.gain for layer in facts.layers]
    np.testing.assert_allclose(gains, [0.90, 0.05, 0.02, np.nan], atol=1e-9)
    rows = [layer.row for layer in facts.layers]
    # 8x8x1 -conv 16 k3-> 6x6x16 -pool 2/2-> 3x3x16 = 144 -fc-> 64 -linear-> 10
    assert [row.output_shape for row in rows] == [(6, 6, 16), (3, 3, 16), (64,), (10,)]
    assert [row.params for row in rows] == [16 * 9 + 16, 0, 144 * 64 + 64, 64 * 10 + 10]
    assert [row.flops for row in rows] == [2 * 36 * 16 * 9, 0, 2 * 144 * 64, 2 * 64 * 10]


def test_a_prefix_that_was_never_measured_has_no_accuracy(tmp_path) -> None:
    rows = [candidate(0, "propose", 0, [CONV, POOL], accuracy=0.8, reward=0.8, first=True)]
    facts = collect(make_run(tmp_path / "run", [*rows, round_row(0, 1, 0, 0.8)]))
    np.testing.assert_array_equal([x.accuracy for x in facts.layers], [np.nan, 0.8, np.nan])
    np.testing.assert_array_equal([x.gain for x in facts.layers], [np.nan] * 3)
    assert facts.roles == ["final"] and facts.pairs == {}


def test_a_candidate_of_the_round_under_way_may_be_the_best(run) -> None:
    row = candidate(2, "grow", 0, [CONV7], accuracy=0.99, reward=0.99, first=True)
    with (run / "events.jsonl").open("a") as events:
        events.write(row)  # complete, though its line end is still missing
    best = collect(run).best
    assert best is not None and (best.accuracy, best.encoding[0]) == (0.99, CONV7)


def test_the_best_of_a_finished_run_is_the_one_in_its_summary(run) -> None:
    """Also where the records have lost it to a damaged line."""
    best = {"architecture": text_of([CONV7]), "encoding": [CONV7], "accuracy": 0.99}
    make_run(run, twelve_rows(), summary={"best": best, "best_noise_free": None})
    facts = collect(run)
    assert facts.best == (text_of([CONV7]), [CONV7], 0.99, {})
    assert facts.best_noise_free is None
    # it was never measured again, so its one layer added what it reached
    assert [layer.gain for layer in facts.layers[:-1]] == [0.99]


def test_status_is_running_then_stopped_then_finished(run) -> None:
    assert collect(run).status == "running"
    assert collect(run, later=3600).status == "stopped"
    make_run(run, twelve_rows(), summary={"best": None})
    assert collect(run, later=3600).status == "finished"


def test_a_method_that_never_learns_is_not_called_untrained(run) -> None:
    assert collect(run).untrained
    make_run(run, twelve_rows(), summary={"best": None, "learns": False})
    assert not collect(run).untrained


def test_a_torn_last_line_waits_and_damaged_lines_are_counted(run) -> None:
    whole = collect(run)
    with (run / "events.jsonl").open("a") as events:
        events.write('{"event": "novelty"}\nnot json\n{"event": "candidate"}\n[1]\n')
        events.write('{"event": "round", "round": 2, "quer')
    torn = collect(run)
    assert torn.events == whole.events._replace(damaged_lines=4)


def test_another_space_leaves_out_what_only_chains_have(tmp_path) -> None:
    config = CONFIG | {"space": {"name": "nas_bench_201"}}
    row = json.loads(candidate(0, "propose", 0, [], accuracy=0.7, reward=0.7, first=True))
    row |= {"architecture": "|nor_conv_3x3~0|", "encoding": [[4], [0], [1], [4], [2], [2]]}
    facts = collect(make_run(tmp_path / "run", [json.dumps(row)], config=config))
    assert facts.best is not None and facts.best.accuracy == 0.7
    assert facts.kinds == [] and facts.layers == [] and facts.pairs == {}


def test_damaged_files_are_named_and_left_out(run) -> None:
    (run / "summary.json").write_text('{"best": ')
    (run / "versions.json").write_text("[]")
    weights, encodings = np.ones((1, 1, 1, 1, 1)), np.array([[CONV]], dtype=object)  # needs pickle
    path = run / "attention.npz"
    np.savez(path, actor=weights, critic=weights, encodings=encodings, round=0, length=1)
    facts = collect(run)
    assert facts.attention is None and facts.status == "running" and facts.versions == {}
    assert facts.damaged_files == ["versions.json", "summary.json", "attention.npz"]


def test_attention_of_another_number_of_layers_is_left_out(run) -> None:
    weights, encodings = np.ones((2, 1, 1, 5, 5)), np.zeros((2, 6, 4), int)
    np.savez(run / "attention.npz", actor=weights, critic=weights, encodings=encodings, round=0)
    facts = collect(run)
    assert facts.attention is None and facts.damaged_files == ["attention.npz"]


def test_a_network_without_attention_has_none_and_nothing_is_damaged(run) -> None:
    weights, encodings = np.ones((2, 0, 0, 6, 6)), np.zeros((2, 6, 4), int)
    np.savez(run / "attention.npz", actor=weights, critic=weights, encodings=encodings, round=0)
    facts = collect(run)
    assert facts.attention is None and facts.damaged_files == []


def test_attention_names_the_layers_of_every_step(run) -> None:
    add_attention(run, steps=2)
    found = collect(run).attention
    assert found is not None and found.added == ["conv 16 k3 s1", "pool k2 s2 p0"]
    assert found.architecture == ["conv 16 k3 s1", "pool k2 s2 p0", "", "", "", ""]


@pytest.mark.parametrize(
    ("layer", "space", "text"),
    [
        ((4,), NasBench201(), "nor_conv_3x3"),
        ((1,), NasBenchMacro(), "identity"),
        ((0,), NasBench201(), ""),
        ((1, 16, 3, 1), LayerChain((8, 8, 1), 10), "conv 16 k3 s1"),
        ((0, 0, 0, 0), LayerChain((8, 8, 1), 10), ""),
        ((2, 1), UnitBox(num_layers=1, action_size=2, levels=3), "0.500 0.167"),
        ((2, 1), None, "2 1"),
    ],
)
def test_a_layer_is_named_as_its_space_names_it(layer, space, text) -> None:
    assert run_facts.layer_text(layer, space) == text


def test_every_layer_of_the_spaces_of_slots_has_a_name() -> None:
    for space in (NasBench201(), NasBenchMacro(), MnasNet()):
        names = [run_facts.layer_text(layer, space) for layer in space.options.tolist()]
        assert names == list(space.operations)


@pytest.mark.parametrize("space", [{"name": "of_another_version"}, {}])
def test_a_space_that_is_not_known_here_is_reported_without_its_words(tmp_path, space) -> None:
    rows = [candidate(0, "grow", 0, [CONV], accuracy=0.8, reward=0.8)]
    run = make_run(tmp_path / "run", rows, config=CONFIG | {"space": space})
    add_attention(run)
    facts = collect(run)
    assert facts.layers == [] and facts.best is not None
    assert facts.attention is not None and facts.attention.added == ["1 16 3 1", "3 2 2 0"]
