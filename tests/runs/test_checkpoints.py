import json
import logging
import pathlib
import shutil
from collections import namedtuple
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.errors import UserError
from nasjax.runs import checkpoints
from nasjax.runs.checkpoints import Checkpoints, digest


class State(NamedTuple):
    weights: dict[str, jax.Array]
    round: jax.Array


def state_of(round_index: int) -> State:
    weights = jnp.arange(6, dtype=jnp.float32).reshape(2, 3) + round_index
    return State({"a": weights, "b": jnp.zeros((), jnp.int32)}, jnp.int32(round_index))


def saved(path: pathlib.Path, *, rounds: int = 3, kept: int = 3) -> Checkpoints:
    """Checkpoints 1 ... rounds; the records reach 100 bytes further with every round."""
    keeper = Checkpoints(path, kept=kept)
    for step in range(1, rounds + 1):
        keeper.save(step, state_of(step), 100 * step)
    return keeper


def position_found(path: pathlib.Path) -> int:
    """The position of the checkpoint that a search would go on from."""
    keeper = Checkpoints(path, kept=3)
    restored = keeper.restore(state_of(0), at_most=300)
    keeper.close()
    assert restored is not None
    return restored.position


def steps(path: pathlib.Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_restored_state_is_the_saved_one_bit_for_bit(tmp_path: pathlib.Path) -> None:
    saved(tmp_path).close()
    keeper = Checkpoints(tmp_path, kept=3)
    restored = keeper.restore(state_of(0), at_most=300)
    keeper.close()
    assert restored is not None and restored.position == 300
    assert digest(restored.state) == digest(state_of(3))
    assert_array_equal(restored.state.weights["a"], [[3, 4, 5], [6, 7, 8]])
    assert isinstance(restored.state, State)


def test_without_a_checkpoint_there_is_nothing_to_restore(tmp_path: pathlib.Path) -> None:
    keeper = Checkpoints(tmp_path / "new", kept=3)
    assert keeper.restore(state_of(0), at_most=0) is None
    keeper.close()


def test_only_the_newest_are_kept(tmp_path: pathlib.Path) -> None:
    saved(tmp_path, rounds=4, kept=2).close()
    assert steps(tmp_path) == ["3", "4"]


def truncate(checkpoint: pathlib.Path) -> None:
    for file in filter(pathlib.Path.is_file, checkpoint.rglob("*")):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(checkpoint: pathlib.Path) -> None:
    for file in filter(pathlib.Path.is_file, (checkpoint / "state").rglob("d/*")):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)


def empty(checkpoint: pathlib.Path) -> None:
    shutil.rmtree(checkpoint)
    checkpoint.mkdir()


def forget(checkpoint: pathlib.Path) -> None:
    shutil.rmtree(checkpoint / "about")


# TensorStore's other readers end after the one that failed, when nobody waits any more.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", [truncate, flip, empty, forget])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_with_a_warning(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, damage
) -> None:
    saved(tmp_path).close()
    damage(tmp_path / "3")
    keeper = Checkpoints(tmp_path, kept=3)
    with caplog.at_level(logging.WARNING):
        restored = keeper.restore(state_of(0), at_most=300)
    assert restored is not None and restored.position == 200
    assert digest(restored.state) == digest(state_of(2))
    assert f"checkpoint {tmp_path / '3'} cannot be used" in caplog.text
    assert f"going on from checkpoint {tmp_path / '2'}" in caplog.text
    keeper.save(3, state_of(3), 300)  # its number is free again
    again = keeper.restore(state_of(0), at_most=300)
    keeper.close()
    assert again is not None and digest(again.state) == digest(state_of(3))


def test_values_that_changed_are_noticed_though_the_files_are_whole(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = saved(tmp_path, rounds=1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "digest", lambda state: "of another state")
        keeper.save(2, state_of(2), 200)
    restored = keeper.restore(state_of(0), at_most=300)
    keeper.close()
    assert restored is not None and restored.position == 100


def test_a_position_that_changed_is_noticed(tmp_path: pathlib.Path) -> None:
    saved(tmp_path, rounds=2).close()
    about = tmp_path / "2" / "about" / "metadata"
    assert '"position": 200' in about.read_text()
    about.write_text(about.read_text().replace('"position": 200', '"position": 150'))
    assert position_found(tmp_path) == 100


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path: pathlib.Path) -> None:
    saved(tmp_path, rounds=2).close()
    about = tmp_path / "2" / "about" / "metadata"
    kept = json.loads(about.read_text())
    del kept["seal"]
    about.write_text(json.dumps(kept))
    assert position_found(tmp_path) == 200


def test_a_restored_state_needs_no_program_of_its_own(tmp_path: pathlib.Path) -> None:
    saved(tmp_path, rounds=1).close()
    keeper = Checkpoints(tmp_path, kept=3)
    restored = keeper.restore(state_of(0), at_most=300)
    keeper.close()
    assert restored is not None
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: compiled.append(name) if "backend_compile" in name else None
    )
    step = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf + 1, state))
    step(state_of(0))
    before = len(compiled)
    assert before > 0
    step(restored.state)
    assert len(compiled) == before


def test_a_checkpoint_that_knows_of_more_records_than_there_are_is_stepped_over(
    tmp_path: pathlib.Path,
) -> None:
    keeper = saved(tmp_path)
    restored = keeper.restore(state_of(0), at_most=299)
    keeper.close()
    assert restored is not None and restored.position == 200


@pytest.mark.parametrize("at_most", [300, 0])
def test_if_none_can_be_used_all_stay_and_the_user_is_told(
    tmp_path: pathlib.Path, at_most: int
) -> None:
    saved(tmp_path).close()
    if at_most:
        for name in steps(tmp_path):
            truncate(tmp_path / name)
    keeper = Checkpoints(tmp_path, kept=3)
    with pytest.raises(UserError, match="move that folder away"):
        keeper.restore(state_of(0), at_most=at_most)
    keeper.close()
    assert steps(tmp_path) == ["1", "2", "3"]


def test_another_structure_is_refused_and_nothing_is_deleted(tmp_path: pathlib.Path) -> None:
    keeper = saved(tmp_path)
    other = state_of(0)._replace(weights={"c": jnp.zeros(3)})
    with pytest.raises(UserError, match="can be used"):
        keeper.restore(other, at_most=300)
    keeper.close()
    assert steps(tmp_path) == ["1", "2", "3"]


def test_a_full_disk_is_one_line_and_leaves_the_ones_before(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = saved(tmp_path, rounds=1)
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
        with pytest.raises(UserError, match=r"checkpoint .*2: .*make room") as raised:
            keeper.save(2, state_of(2), 200)
    assert "\n" not in str(raised.value) and steps(tmp_path) == ["1"]
    keeper.save(2, state_of(2), 200)  # room was made
    restored = keeper.restore(state_of(0), at_most=300)
    keeper.close()
    assert restored is not None and restored.position == 200


def test_the_digest_sees_structure_type_shape_and_value() -> None:
    one = np.arange(4, dtype=np.int32)
    others = [one.astype(np.float32), one.reshape(2, 2), one + 1, {"a": one}, (one,)]
    assert len({digest(value) for value in [one, *others]}) == 6
    assert digest(one) == digest(jnp.arange(4, dtype=jnp.int32))
