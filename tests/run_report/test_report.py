"""The report says what the records hold: counted by hand on a run of twelve rows."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest

from launch import command_line
from launch import report as launch_report
from nasjax.errors import UserError
from nasjax.registry import layer_text
from nasjax.reports import figures
from nasjax.run_report import page, plots, report
from nasjax.run_report.facts import Facts, Pair
from tests.run_report import html_elements

NOW = 1_790_000_100.0  # 100 s after the last row: the run counts as running
CONV, CONV7, POOL, FC = [1, 16, 3, 1], [1, 8, 7, 1], [3, 2, 2, 0], [2, 64, 1, 1]
TEXT = {1: "conv {} k{} s{}", 2: "fc {} relu", 3: "pool k{} s{} p{}"}
CONFIG = {
    "seed": 7,
    "space": {"name": "layer_chain", "input_shape": [8, 8, 1], "num_classes": 10},
    "data": {"name": "digits"},
    "controller": {"name": "trl_hpo", "note": "<script>alert(1)</script>"},
    "search": {"rounds": 5},
}
VERSIONS = {"nasjax": "0.1.0", "jax": "0.10.2", "commit": "abc123", "command": "python -m launch"}


def text_of(layers: list[list[int]]) -> str:
    return " > ".join(TEXT[kind].format(*values) for kind, *values in layers)


def candidate(round_: int, purpose: str, row: int, layers: list[list[int]], **other: Any) -> str:
    phase = {"grow": "grow", "backup": "learn", "validate": "check", "propose": "propose"}[purpose]
    physical = {
        "source": other.pop("source", "trained"),
        "seconds": other.pop("seconds", 1.0),
        "compiled": other.pop("compiled", False),
        "time": 1_790_000_000.0,
    }
    event = {
        "event": "candidate",
        "round": round_,
        "phase": phase,
        "repeat": len(layers) - 1 if purpose in ("grow", "validate") else 0,
        "row": row,
        "purpose": purpose,
        "id": "00",
        "architecture": text_of(layers),
        "encoding": layers + [[0] * 4] * (6 - len(layers)),
        "status": "ok",
        "counts": [16] * 32,
        "first": False,
        "signature": "s",
        "physical": physical,
    }
    return json.dumps(event | other)


def round_row(round_: int, queries: int, updates: int, best: float, **metrics: float) -> str:
    event = {
        "event": "round",
        "round": round_,
        "queries": queries,
        "updates": updates,
        "best_accuracy": best,
        "best": text_of([CONV, POOL, FC]),
        "best_noise_free_accuracy": 0.0,
        "metrics": metrics,
        "physical": {"seconds": 30.0, "time": 1_790_000_000.0},
    }
    return json.dumps(event)


def twelve_rows() -> list[str]:
    """Two rounds; four grown models, one back-up, one noise-free model of two layers."""
    failed = {"accuracy": 0.0, "reward": -1.0, "seconds": 0.0, "source": "none"}
    again = {"source": "run", "seconds": 0.0}
    c = candidate
    return [
        c(0, "grow", 0, [CONV], accuracy=0.90, reward=0.90, first=True, compiled=True),
        c(0, "grow", 1, [CONV], accuracy=0.90, reward=0.90, **again),
        c(0, "grow", 0, [CONV, POOL], accuracy=0.95, reward=0.05, first=True, signature="t"),
        c(0, "grow", 1, [CONV, CONV], accuracy=0.88, reward=-0.02, first=True, compiled=True),
        c(0, "grow", 0, [CONV, POOL, FC], accuracy=0.97, reward=0.02, first=True),
        c(0, "grow", 0, [CONV, POOL, FC, FC], accuracy=0.96, reward=-0.01, first=True),
        round_row(0, 6, 0, 0.97),
        c(1, "grow", 0, [CONV], accuracy=0.90, reward=0.90, **again),
        c(1, "grow", 1, [CONV7], status="diverged", **(failed | {"source": "trained"})),
        c(1, "grow", 0, [CONV, CONV7], status="invalid", **failed),
        c(1, "backup", 3, [CONV, POOL, FC], accuracy=0.97, reward=0.02, **again),
        c(1, "validate", 0, [CONV], accuracy=0.90, reward=0.90, **again),
        c(1, "validate", 0, [CONV, POOL], accuracy=0.95, reward=0.05, **again),
        round_row(1, 10, 1, 0.97, **{"learn/critic_loss": 0.25, "learn/actor_loss": float("nan")}),
    ]


def make_run(directory: pathlib.Path, lines: list[str], **files: Any) -> pathlib.Path:
    directory.mkdir(exist_ok=True)
    (directory / "events.jsonl").write_text("".join(line + "\n" for line in lines))
    for name, content in ({"config": CONFIG, "versions": VERSIONS} | files).items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    return directory


def add_attention(run: pathlib.Path, steps: int = 2) -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(6), (steps, 2, 4, 6)).astype(np.float32)
    encodings = np.zeros((steps, 6, 4), np.int32)
    encodings[:, 0], encodings[1:, 1] = CONV, POOL
    np.savez(
        run / "attention.npz",
        actor=weights,
        critic=weights,
        encodings=encodings,
        round=1,
        length=steps,
    )


@pytest.fixture
def run(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_run(tmp_path / "run", twelve_rows())


@pytest.fixture
def facts(run: pathlib.Path) -> Facts:
    return report.collect(run, now=NOW)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the pictures out where a test is about words: drawing them takes seconds."""
    for name in ("learning_curve", "scatter", "kinds", "pairs", "metrics"):
        monkeypatch.setattr(plots, name, lambda facts: "<svg></svg>")


def test_budget_equals_the_hand_count(facts: Facts) -> None:
    # 4 + 2 layers grown in round 0, 2 + 1 in round 1, one back-up; the two noise-free rows are free
    assert facts.budget.queries == 9 + 1
    assert facts.budget.by_purpose == {"grow": 9, "backup": 1, "validate": 2}
    # 12 rows: 5 marked first, 5 met before, one that did not fit, one that diverged
    counts = {"trained": 5, "reused": 5, "invalid": 1, "diverged": 1}
    counts |= {"over_memory": 0, "stopped": 0, "infeasible": 0}
    assert facts.budget.candidates == counts
    assert facts.budget.programs_compiled == 1  # two rows say compiled, both of signature "s"
    assert facts.budget.seconds_by_source == {"trained": 5.0, "run": 0.0, "none": 0.0}
    assert (facts.budget.updates, facts.budget.seconds) == (1, 60.0)


def test_curve_averages_the_models_that_a_round_ended_with(facts: Facts) -> None:
    # round 0 ended with .96 (its fourth layer lost .01) and .88; in round 1 one model stands: .90
    first, second = facts.curve
    assert (first.best, first.validation) == (0.97, ())
    assert first.grown_mean == pytest.approx((0.96 + 0.88) / 2)
    assert (second.grown_mean, second.validation) == (0.90, (0.95,))


def test_each_row_has_one_role_on_the_scatter(facts: Facts) -> None:
    p, f = "prefix", "final"
    first_round = [p, p, p, f, p, f]  # as interleaved in the file: [C] [C] [CP] [CC]* [CPF] [CPFF]*
    second = [f, "failed", "failed", "backup", "validate", "validate"]
    assert facts.roles == first_round + second


def test_kinds_count_every_grown_model_at_every_position(facts: Facts) -> None:
    # models: conv pool fc fc | conv conv | conv conv(did not fit) | conv(diverged)
    expected = [
        {"conv": 4},
        {"pool": 1, "conv": 2, "stop": 1},
        {"fc": 1, "stop": 3},
        {"fc": 1, "stop": 3},
        {"stop": 4},
        {"stop": 4},
    ]
    assert [dict(counts) for counts in facts.kinds] == expected


def test_pairs_count_negative_rewards_and_keep_failures_apart(facts: Facts) -> None:
    assert facts.pairs == {
        ("conv", "pool"): Pair(negative=0, measured=1, failed=0),
        ("pool", "fc"): Pair(negative=0, measured=1, failed=0),
        ("fc", "fc"): Pair(negative=1, measured=1, failed=0),
        ("conv", "conv"): Pair(negative=1, measured=1, failed=1),
    }


def test_layers_of_the_best_show_gain_shape_and_costs(facts: Facts) -> None:
    assert facts.best is not None and facts.best.architecture == text_of([CONV, POOL, FC])
    gains = [layer.gain for layer in facts.layers]
    np.testing.assert_allclose(gains, [0.90, 0.05, 0.02, np.nan], atol=1e-9)
    costs = [layer.cost for layer in facts.layers if layer.cost]
    # 8x8x1 -conv 16 k3-> 6x6x16 -pool 2/2-> 3x3x16 = 144 -fc-> 64 -linear-> 10
    assert [c.output_shape for c in costs] == [(6, 6, 16), (3, 3, 16), (64,), (10,)]
    assert [c.params for c in costs] == [16 * 9 + 16, 0, 144 * 64 + 64, 64 * 10 + 10]
    assert [c.flops for c in costs] == [2 * 36 * 16 * 9, 0, 2 * 144 * 64, 2 * 64 * 10]


@pytest.mark.usefixtures("no_pictures")
def test_a_prefix_that_was_never_measured_shows_a_dash(tmp_path: pathlib.Path) -> None:
    rows = [candidate(0, "propose", 0, [CONV, POOL], accuracy=0.8, reward=0.8, first=True)]
    best = round_row(0, 1, 0, 0.8).replace(text_of([CONV, POOL, FC]), text_of([CONV, POOL]))
    facts = report.collect(make_run(tmp_path / "run", [*rows, best]), now=NOW)
    np.testing.assert_array_equal([x.accuracy for x in facts.layers], [np.nan, 0.8, np.nan])
    np.testing.assert_array_equal([x.gain for x in facts.layers], [np.nan] * 3)
    assert facts.roles == ["final"] and facts.pairs == {}
    assert "–" in page.render(facts)


@pytest.mark.usefixtures("no_pictures")
def test_a_torn_last_line_waits_and_unknown_lines_are_counted(run: pathlib.Path) -> None:
    whole = report.collect(run, now=NOW)
    with (run / "events.jsonl").open("a") as events:
        events.write('{"event": "novelty"}\nnot json\n{"event": "candidate"}\n[1]\n')
        events.write('{"event": "round", "round": 2, "quer')
    torn = report.collect(run, now=NOW)
    assert torn.records.queries == whole.records.queries
    assert len(torn.records.rounds) == len(whole.records.rounds) == 2
    assert torn.records.skipped_lines == 4
    assert "skipped as not known: 4" in page.render(torn)


def test_rows_of_an_unfinished_round_are_not_final_but_may_be_the_best(run: pathlib.Path) -> None:
    row = candidate(2, "grow", 0, [CONV7], accuracy=0.99, reward=0.99, first=True)
    with (run / "events.jsonl").open("a") as events:
        events.write(row)  # complete, though its line end is still missing
    facts = report.collect(run, now=NOW)
    assert facts.best is not None and facts.best.accuracy == 0.99
    assert facts.roles[-1] == "prefix" and len(facts.curve) == 2
    assert facts.kinds[0] == {"conv": 4}


def test_status_is_running_then_stopped_then_finished(run: pathlib.Path) -> None:
    assert report.collect(run, now=NOW).status == "running"
    assert report.collect(run, now=NOW + 3600).status == "stopped"
    make_run(run, twelve_rows(), summary={"best": {"architecture": text_of([CONV])}})
    assert report.collect(run, now=NOW + 3600).status == "finished"


@pytest.mark.usefixtures("no_pictures")
def test_test_accuracy_is_shown_only_once_final_test_exists(run: pathlib.Path) -> None:
    best = {"architecture": text_of([CONV, POOL, FC])}
    summary = {"best": best, "validation_accuracy": 0.97, "test_accuracy": 0.1234}
    make_run(run, twelve_rows(), summary=summary)
    assert "test accuracy</span>" not in report.write_report(run).read_text()
    assert "12.34" not in report.terminal_summary(run)
    make_run(run, twelve_rows(), final_test=best | {"test_accuracy": 0.98, "test_images": 357})
    assert "test accuracy</span><b>98.00 %" in report.write_report(run).read_text()
    assert "test 98.00 %" in report.terminal_summary(run)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(("updates", "times"), [(99, 3), (100, 0)])
def test_fewer_than_100_updates_are_called_untrained(
    run: pathlib.Path, updates: int, times: int
) -> None:
    make_run(run, [*twelve_rows(), round_row(2, 10, updates, 0.97)])
    # on the page: the tile, the budget's row and the sentence on how the numbers were made
    assert report.write_report(run).read_text().count("untrained") == times
    assert ("untrained" in report.terminal_summary(run)) == (times > 0)


def test_page_is_self_contained_and_well_formed(run: pathlib.Path) -> None:
    add_attention(run)
    text = report.write_report(run).read_text()
    elements = html_elements.assert_self_contained(text)
    assert elements.tags.count("svg") == 8  # curve, scatter, kinds, pairs, metrics, 3 of attention
    assert "&lt;script&gt;alert(1)" in text  # a setting is text, never markup
    assert not any(colour in text for colour in figures.PAGE)  # every stand-in colour was replaced
    assert "True attention weights" in text and "2 pool k2 s2 p0" in text
    assert report.write_report(run).read_text() == text


def test_many_points_keep_the_page_small(tmp_path: pathlib.Path) -> None:
    accuracy = np.random.default_rng(0).beta(8, 1, 10_000)
    lines = [
        candidate(0, "propose", i, [CONV], accuracy=a, reward=a) for i, a in enumerate(accuracy)
    ]
    written = report.write_report(
        make_run(tmp_path / "run", [*lines, round_row(0, 10_000, 0, 1.0)])
    )
    assert written.stat().st_size < 500_000  # as vectors: 10,000 marks of about 90 bytes, 0.9 MB


@pytest.mark.usefixtures("no_pictures")
def test_another_space_leaves_out_what_only_chains_have(tmp_path: pathlib.Path) -> None:
    config = CONFIG | {"space": {"name": "nas_bench_201"}}
    row = json.loads(candidate(0, "propose", 0, [CONV], accuracy=0.7, reward=0.7, first=True))
    row |= {"architecture": "|nor_conv_3x3~0|", "encoding": [3, 0, 1, 4, 2, 2]}
    run = make_run(tmp_path / "run", [json.dumps(row)], config=config)
    facts = report.collect(run, now=NOW)
    assert facts.best is not None and facts.best.accuracy == 0.7
    assert facts.kinds == [] and facts.layers == []
    text = page.render(facts)
    assert "No round has finished yet" in text and "Kinds of layers" not in text


def test_broken_side_files_are_noted_and_left_out(run: pathlib.Path) -> None:
    (run / "summary.json").write_text('{"best": ')
    weights, encodings = np.ones((1, 1, 1, 1, 1)), np.array([[CONV]], dtype=object)  # needs pickle
    path = run / "attention.npz"
    np.savez(path, actor=weights, critic=weights, encodings=encodings, round=0, length=1)
    facts = report.collect(run, now=NOW)
    assert facts.attention is None and facts.status == "running"
    assert [note.split()[0] for note in facts.notes] == ["summary.json", "attention.npz"]


def test_sparkline_spans_the_range_and_keeps_the_last_value() -> None:
    assert page.sparkline([0.0, 0.5, 1.0]) == "▁▅█"  # round(3.5) is 4: the fifth of eight blocks
    assert page.sparkline([0.4]) == "▁"
    many = page.sparkline(list(np.linspace(0, 1, 1000)))
    assert len(many) == 40 and many[-1] == "█"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "does not exist"),
        (["other.txt"], "is not a run directory"),
        (["config.json", "events.jsonl"], "no events yet"),
    ],
)
def test_a_bad_workdir_ends_with_one_line_and_code_2(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], files: list[str], words: str
) -> None:
    workdir = tmp_path / "somewhere"
    for name in files:
        workdir.mkdir(exist_ok=True)
        (workdir / name).touch()
    assert command_line.run(launch_report.COMMAND, [str(workdir)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: WORKDIR='") and words in message
    assert message.count("\n") == 1 and message.endswith("\n")


def test_command_writes_page_and_picture_and_prints_the_summary(
    run: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, picture = run / "page.html", run / "picture.png"
    asked = [str(run), f"--output={output}", f"--picture={picture}"]
    assert command_line.run(launch_report.COMMAND, asked) == 0
    printed = capsys.readouterr().out
    assert "best      conv 16 k3 s1 > pool k2 s2 p0 > fc 64 relu" in printed
    assert "10 (9 growth, 1 back-up, 2 noise-free validation, not counted)" in printed
    assert picture.read_bytes().startswith(b"\x89PNG") and output.is_file()
    with pytest.raises(UserError, match="--output=.*cannot be written"):
        report.write_report(run, run / "missing" / "page.html")


@pytest.mark.parametrize(
    ("layer", "space", "text"),
    [
        ((4,), "nas_bench_201", "nor_conv_3x3"),
        ((1,), "nas_bench_macro", "identity"),
        ((0,), "nas_bench_201", ""),
        ((1, 16, 3, 1), "layer_chain", "conv 16 k3 s1"),
    ],
)
def test_a_layer_is_named_as_its_space_names_it(layer, space, text) -> None:
    assert layer_text(layer, space) == text
