import itertools
import json
import logging
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.runs.records import (
    EVENTS,
    Candidate,
    Events,
    Records,
    count_candidates,
    count_failures,
    read,
    remedy,
)
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import (
    DIVERGED,
    GROW,
    INFEASIBLE,
    INVALID,
    OK,
    OVER_MEMORY,
    STOPPED,
    VALIDATE,
    Best,
    Exchange,
    Outcome,
    Proposal,
    SearchState,
)

SPACE = LayerChain((8, 8, 1), 10)
A, B = (1, 16, 3, 1), (2, 64, 1, 0)


def exchange(
    *layers: tuple[int, ...], status: tuple[int, ...] | None = None, purpose: int = GROW, **metrics
) -> Exchange:
    """One-layer architectures, measured as 3 and 4 of 4 images; rows of zeros are masked."""
    rows = len(layers)
    architecture = np.zeros((rows, SPACE.num_layers, 4), np.int32)
    architecture[:, 0] = layers
    given = np.array(status or [OK] * rows, np.int32)
    accuracies = np.tile(np.float32([0.75, 1.0]), (rows, 1)) * (given == OK)[:, None]
    return Exchange(
        round=0,
        phase="grow",
        repeat=0,
        proposal=Proposal(
            architecture, architecture[:, 0, 0] > 0, np.full(rows, purpose), np.zeros((rows, 2))
        ),
        outcome=Outcome(accuracies, accuracies.mean(1), np.zeros((rows, 0)), given),
        rewards=accuracies.mean(1),
        metrics=metrics,
    )


def state(round_index: int) -> SearchState:
    best = Best(jnp.float32(0.875), jnp.zeros((SPACE.num_layers, 4), jnp.int32))
    count = jnp.int32(round_index)
    return SearchState(
        controller=jnp.int32(7),
        best=best,
        best_noise_free=best,
        queries=count,
        exchanges=count,
        round=count,
    )


def records(workdir: pathlib.Path, position: int = 0, costs: tuple[str, ...] = ()) -> Records:
    return Records(
        workdir,
        SPACE,
        provenance=lambda architecture: {"source": "trained"},
        counts_of=4,
        num_updates=lambda controller: controller,
        cost_names=costs,
        position=position,
    )


def rows(workdir: pathlib.Path) -> list[dict[str, Any]]:
    """The lines of the file as they are."""
    return [json.loads(line) for line in (workdir / EVENTS).read_bytes().splitlines()]


def candidates(workdir: pathlib.Path) -> list[Candidate]:
    return read(workdir / EVENTS).candidates


def test_a_row_is_written_per_unmasked_candidate_and_per_round(tmp_path: pathlib.Path) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A, (0, 0, 0, 0), A, loss=jnp.float32(2)))
    kept.on_exchange(exchange(B, purpose=VALIDATE, loss=jnp.float32(4)))
    kept.on_round(state(1))
    kept.close()
    first, again, other, ended = rows(tmp_path)
    assert (first["row"], again["row"]) == (0, 2) and first["id"] == again["id"] != other["id"]
    assert (first["first"], again["first"], other["first"]) == (True, False, True)
    assert first["counts"] == [3, 4] and first["accuracy"] == 0.875  # (3 + 4) of 8
    assert (first["purpose"], other["purpose"]) == ("grow", "validate")
    assert first["physical"]["source"] == "trained" and first["encoding"][0] == list(A)
    assert ended["event"] == "round" and ended["round"] == 0 and ended["updates"] == 7
    assert ended["metrics"] == {"grow/loss": 3.0}  # (2 + 4) / 2


def test_counts_say_what_was_trained_reused_and_refused(tmp_path: pathlib.Path) -> None:
    kept = records(tmp_path)
    status = (OK, OK, DIVERGED, INVALID, OVER_MEMORY, STOPPED)
    layers = (A, A, B, (3, 8, 1, 0), (2, 8, 1, 0), (1, 24, 3, 1))
    kept.on_exchange(exchange(*layers, status=status))
    assert kept.counts == {"trained": 3, "reused": 1, "invalid": 1, "over_memory": 1}
    kept.close()
    assert count_candidates(candidates(tmp_path)) == kept.counts
    gone_on = records(tmp_path, kept_bytes := (tmp_path / EVENTS).stat().st_size)
    assert gone_on.counts == kept.counts and gone_on.position == kept_bytes
    gone_on.on_exchange(exchange(A))
    gone_on.on_exchange(exchange((1, 32, 3, 1), status=(INFEASIBLE,)))
    gone_on.close()
    assert gone_on.counts == {
        "trained": 3,
        "reused": 2,
        "invalid": 1,
        "over_memory": 1,
        "infeasible": 1,
    }
    failed = count_failures(candidates(tmp_path))
    assert failed == {"diverged": 1, "infeasible": 1, "invalid": 1, "over_memory": 1}
    assert remedy("over_memory") == ": raise evaluator.memory_budget_gib"
    assert remedy("invalid") == ""
    assert rows(tmp_path)[-2]["first"] is False


def test_going_on_drops_what_came_after_the_checkpoint(tmp_path: pathlib.Path) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A))
    kept.on_round(state(1))
    position = kept.position
    kept.on_exchange(exchange(B))
    kept.close()
    with (tmp_path / EVENTS).open("ab") as file:
        file.write(b'{"event": "cand')  # as a kill leaves it
    torn = read(tmp_path / EVENTS)
    assert (len(torn.candidates), len(torn.rounds), torn.damaged_lines) == (2, 1, 0)
    gone_on = records(tmp_path, position)
    gone_on.on_exchange(exchange(B))
    gone_on.close()
    assert [row["first"] for row in rows(tmp_path) if "first" in row] == [True, True]
    assert (tmp_path / EVENTS).read_bytes().count(b"\n") == 3


DAMAGED = {  # JSON still, but no record: each is one change of a whole one
    "status": "fine",
    "purpose": "fun",
    "round": float("inf"),
    "accuracy": None,
    "encoding": 3,
    "physical": [],
    "event": "novelty",
}


@pytest.mark.parametrize("key", [*DAMAGED, "reward", "id", "repeat"])
def test_a_candidate_without_a_field_or_with_a_wrong_one_is_damaged(
    tmp_path: pathlib.Path, key: str
) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A))
    kept.close()
    (row,) = rows(tmp_path)
    changed = row | {key: DAMAGED[key]} if key in DAMAGED else {k: row[k] for k in row if k != key}
    path = tmp_path / EVENTS
    path.write_text(json.dumps(changed) + "\n" + json.dumps(row) + "\n")
    found = read(path)
    assert (len(found.candidates), found.damaged_lines) == (1, 1)


def test_no_flipped_bit_is_read_as_another_result(tmp_path: pathlib.Path) -> None:
    """Every bit of a line outside of "physical", which decides no result."""
    kept = records(tmp_path)
    kept.on_exchange(exchange(A))
    kept.close()
    path, whole = tmp_path / EVENTS, candidates(tmp_path)
    line = path.read_bytes()
    logical = [i for i in range(len(line)) if not 0 <= i - line.index(b'"physical"') < 80]
    for place, bit in itertools.product(logical, range(8)):
        damaged = bytearray(line)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        for found in candidates(tmp_path):
            unlike = found._replace(seconds=0, time=0, source="", compiled=False)
            assert unlike == whole[0]._replace(seconds=0, time=0, source="", compiled=False)


def test_a_line_of_an_earlier_version_has_no_digest_and_is_read(tmp_path: pathlib.Path) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A))
    kept.close()
    (row,) = rows(tmp_path)
    assert len(row.pop("digest")) == 16
    (tmp_path / EVENTS).write_text(json.dumps(row) + "\n")
    assert len(candidates(tmp_path)) == 1
    del row["counts"]
    (tmp_path / EVENTS).write_text(json.dumps(row) + "\n")
    assert read(tmp_path / EVENTS).damaged_lines == 1


def test_a_last_line_without_its_end_is_read_if_it_is_whole_and_never_counted(
    tmp_path: pathlib.Path,
) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A, B))
    kept.close()
    path, whole = tmp_path / EVENTS, read(tmp_path / EVENTS)
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path) == whole
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path) == Events(whole.candidates[:1], [], 0)


def test_what_is_read_is_what_was_written(tmp_path: pathlib.Path) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A, B, loss=jnp.float32(2), other=jnp.float32(np.nan)))
    kept.on_round(state(1))
    kept.close()
    (first, second), (ended,), damaged = read(tmp_path / EVENTS)
    assert damaged == 0 and first.is_measured and first.counts == [3, 4]
    assert (first.round, first.phase, first.repeat, first.row) == (0, "grow", 0, 0)
    assert (second.row, second.purpose, second.status) == (1, "grow", "ok")
    assert first.encoding == [list(A)] + [[0] * 4] * 5 and first.layers == (A,)
    assert (first.architecture, first.accuracy) == ("conv 16 k3 s1", 0.875)
    assert (first.source, first.seconds, first.compiled) == ("trained", 0.0, False)
    assert np.isnan(first.first_cost) and first.costs == {}
    assert (ended.round, ended.updates, ended.best_accuracy) == (0, 7, 0.875)
    assert ended.metrics == {"grow/loss": 2.0}  # "other" was never a number


@pytest.mark.parametrize(
    "garbage", [b"#####", b"[]", b"3", b"[" * 200_000, b'{"event": "candidate"}', b"\xff{"]
)
def test_a_damaged_line_costs_a_warning_and_no_other_line(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A, B, (1, 32, 3, 1)))
    kept.close()
    path = tmp_path / EVENTS
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], garbage, lines[2]]) + b"\n")
    with caplog.at_level(logging.WARNING):
        gone_on = records(tmp_path, path.stat().st_size)
    gone_on.close()
    assert [row.row for row in candidates(tmp_path)] == [0, 2] and gone_on.counts["trained"] == 2
    assert f"{path}: 1 damaged lines are left out" in caplog.text


def test_records_that_cannot_be_written_or_read_are_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / EVENTS).mkdir()
    with pytest.raises(UserError, match="cannot write .*Is a directory; make room or choose"):
        records(tmp_path)
    with pytest.raises(UserError, match="cannot read .*Is a directory"):
        read(tmp_path / EVENTS)
    assert read(tmp_path / "missing") == Events([], [], 0)


def test_a_full_disk_keeps_the_rounds_that_ended(tmp_path: pathlib.Path) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A))
    kept.on_round(state(1))
    position = kept.position
    kept._file.close()
    kept._file = open("/dev/full", "ab")  # noqa: SIM115  # every write: no space left on device
    with pytest.raises(UserError, match="No space left on device; make room"):
        kept.on_exchange(exchange(B))
    with pytest.raises(OSError):  # it holds on to what it could not write
        kept.close()
    gone_on = records(tmp_path, position)
    gone_on.close()
    assert len(rows(tmp_path)) == 2


def test_the_attention_of_the_last_validation_episode_is_kept(tmp_path: pathlib.Path) -> None:
    kept = records(tmp_path)
    for value in (1.0, 2.0):
        maps = np.full((1, 1, 2, 2), value)
        kept.on_exchange(exchange(A, attention_actor=maps, attention_critic=-maps))
    kept.on_round(state(3))
    kept.close()
    with np.load(tmp_path / "attention.npz") as found:
        assert found["actor"][:, 0, 0, 0, 0].tolist() == [1, 2] and found["critic"].max() == -1
        assert (int(found["round"]), int(found["length"])) == (2, 2)
    assert json.loads((tmp_path / EVENTS).read_text().splitlines()[-1])["metrics"] == {}


def test_costs_are_written_by_name_where_there_are_any(tmp_path: pathlib.Path) -> None:
    names = ("device/latency_ms", "network/params_m")
    kept = records(tmp_path, costs=names)
    free = (1, 24, 3, 1)
    status = (OK, INFEASIBLE, INFEASIBLE, INVALID)
    priced = exchange(A, B, free, (3, 8, 1, 0), status=status)
    costs = np.float32([[1.5, 0.25], [np.inf, 0.5], [np.nan, 1], [0, 0]])
    kept.on_exchange(priced._replace(outcome=priced.outcome._replace(costs=costs)))
    kept.close()
    # JSON has neither infinities nor NaN; what cannot be built has no costs.
    assert [row.get("costs") for row in rows(tmp_path)] == [
        {names[0]: 1.5, names[1]: 0.25},
        {names[0]: "inf", names[1]: 0.5},
        {names[0]: None, names[1]: 1.0},
        None,
    ]
    text = (tmp_path / EVENTS).read_text()
    assert "Infinity" not in text and "NaN" not in text
    gone_on = records(tmp_path, len(text), names)
    found = [gone_on.costs(priced.proposal.architecture[row]) for row in range(4)]
    gone_on.close()
    np.testing.assert_array_equal([[*of.values()] for of in found[:3]], costs[:3])
    assert found[3] == {} and gone_on.costs(np.zeros((1, 4), np.int32)) == {}


def test_without_costs_a_row_is_what_it_was(tmp_path: pathlib.Path) -> None:
    kept = records(tmp_path)
    kept.on_exchange(exchange(A))
    kept.close()
    keys = "event round phase repeat row purpose id architecture encoding status counts accuracy"
    assert [*rows(tmp_path)[0]] == [*keys.split(), "reward", "first", "physical", "digest"]
