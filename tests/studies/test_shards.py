"""Shards: their union, damage, disagreement."""

import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.studies import shards
from nasjax.studies.shards import Shard
from nasjax.studies.simulate import Found


def shard(*seeds, salt=0):
    seeds = np.array(seeds)
    queries = (seeds[:, None] * 10 + np.arange(3) + salt).astype(np.int32)
    return Shard(seeds, Found(queries, seeds + 1, seeds + 2, compile_seconds=1.0, run_seconds=2.0))


def test_the_union_of_two_halves_is_the_whole(tmp_path):
    shards.write(tmp_path, "arm", shard(2, 3))
    shards.write(tmp_path, "arm", shard(0, 1))
    found = shards.read(tmp_path, "arm")
    whole = shard(0, 1, 2, 3)
    np.testing.assert_array_equal(found.seeds, whole.seeds)
    for got, wanted in zip(found.found[:3], whole.found[:3], strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert (found.found.compile_seconds, found.found.run_seconds) == (2.0, 4.0)


def test_seeds_that_occur_twice_count_once_and_must_agree(tmp_path):
    shards.write(tmp_path, "arm", shard(0, 1))
    shards.write(tmp_path, "arm", shard(1, 2))
    assert shards.read(tmp_path, "arm").seeds.tolist() == [0, 1, 2]
    shards.write(tmp_path, "arm", shard(2, 5, salt=1))
    with pytest.raises(UserError, match="arm: two files disagree about a seed"):
        shards.read(tmp_path, "arm")


def test_an_arm_without_files_is_none(tmp_path):
    assert shards.read(tmp_path, "arm") is None


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_a_damaged_file_is_named(tmp_path, kept):
    path = shards.write(tmp_path, "arm", shard(0, 1))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"00000-00002.npz is damaged .*remove it"):
        shards.read(tmp_path, "arm")


def test_what_was_interrupted_while_written_is_not_read(tmp_path):
    path = shards.write(tmp_path, "arm", shard(0, 1))
    path.rename(path.with_name(f".{path.name}"))
    assert shards.read(tmp_path, "arm") is None


def test_a_folder_that_cannot_be_written_ends_in_one_line(tmp_path):
    (tmp_path / "parts").write_text("")
    with pytest.raises(UserError, match="cannot write .*make room"):
        shards.write(tmp_path, "arm", shard(0))
