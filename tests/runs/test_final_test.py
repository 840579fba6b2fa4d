"""The final test is made once, and what is kept of it is what was measured."""

import json

import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.runs.final_test import final_test, rounds_tested
from nasjax.spaces.slots import SlotSpace

SPACE = SlotSpace(operations=("a", "b"), num_layers=2, filler=0)
ENDED = {"rounds": 7, "ended_by": "search.rounds=7"}
BEST = np.array([[1], [2]], np.int32)


def made(folder, accuracy=0.9):
    return final_test(folder, BEST, SPACE, lambda architecture: {"test_accuracy": accuracy}, ENDED)


def test_it_is_made_once_and_remembers_the_rounds(tmp_path):
    assert rounds_tested(tmp_path) is None
    first = made(tmp_path)
    assert made(tmp_path, accuracy=0.1) == first and first["test_accuracy"] == 0.9
    assert rounds_tested(tmp_path) == 7


@pytest.mark.parametrize("key", ["test_accuracy", "rounds", "sha256", "encoding"])
def test_a_result_that_lacks_a_part_is_damaged(tmp_path, key):
    made(tmp_path)
    path = tmp_path / "final_test.json"
    kept = json.loads(path.read_text())
    del kept[key]
    path.write_text(json.dumps(kept))
    with pytest.raises(UserError, match="final_test.json is damaged; remove it"):
        made(tmp_path)


def test_one_of_an_earlier_version_is_taken(tmp_path):
    made(tmp_path)
    path = tmp_path / "final_test.json"
    kept = json.loads(path.read_text())
    del kept["rounds"], kept["sha256"]
    path.write_text(json.dumps(kept))
    assert made(tmp_path)["test_accuracy"] == 0.9 and rounds_tested(tmp_path) is None
