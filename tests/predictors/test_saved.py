"""Predictors on disk: the same in another process; what is damaged or foreign is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved

NAMES = ("first", "second")


@pytest.fixture
def directory(tmp_path):
    params = {"trees": {"leaf": np.arange(6, dtype=np.float32)}, "offset": np.float32(2.5)}
    page = Saved("some_method", {"members": 3}, "latency_ms", NAMES, params, {"seed": 0})
    saved.save(tmp_path / "predictor", page)
    return tmp_path / "predictor"


def test_what_was_saved_is_read_in_another_process(directory):
    code = (
        "import pathlib, sys; from nasjax.predictors import saved; "
        "page = saved.load(pathlib.Path(sys.argv[1]), ('first', 'second')); "
        "print(page.method, page.settings['members'], page.target, page.facts['seed'], "
        "page.params['trees']['leaf'].sum(), page.params['offset'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, directory], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["some_method", "3", "latency_ms", "0", "15.0", "2.5"]


def change(directory, **changes):
    path = directory / saved.HEADER
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def flip_a_bit(directory):
    path = directory / saved.ARRAYS
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_bit, "damaged: params.npz"),
        (lambda d: change(d, version=3), "version=3; allowed: 1, 2"),
        (lambda d: change(d, more=2), "predictor.json is not as it was written"),
        (lambda d: change(d, settings={"members": 4}), "predictor.json is not as it was written"),
        (lambda d: change(d, version=1), "predictor.json lacks fields, or has others"),
        (lambda d: (d / saved.HEADER).write_text("{"), "no JSON"),
        (lambda d: (d / saved.HEADER).write_text("[]"), "version=None"),
        (lambda d: (d / saved.ARRAYS).unlink(), "cannot read .*No such file"),
    ],
)
def test_what_is_damaged_or_foreign_is_refused_in_one_line(directory, damage, message):
    damage(directory)
    with pytest.raises(UserError, match=message) as raised:
        saved.load(directory, NAMES)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [(("first", "third"), "second, third"), (("second", "first"), r"\(their order\)")],
)
def test_other_features_are_refused(directory, names, message):
    with pytest.raises(UserError, match=message):
        saved.load(directory, names)


def test_a_predictor_of_the_first_version_is_read(directory):
    path = directory / saved.HEADER
    header = json.loads(path.read_text())
    del header["header_sha256"]
    path.write_text(json.dumps(header | {"version": 1}))
    assert saved.load(directory, NAMES).settings == {"members": 3}
