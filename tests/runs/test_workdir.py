import copy
import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from nasjax.errors import UserError
from nasjax.runs import workdir as workdir_module
from nasjax.runs.workdir import ADJUSTABLE, BUDGET, Workdir, environment, versions

CONFIG: dict[str, Any] = {
    "seed": 0,
    "space": {"name": "layer_chain", "input_shape": [8, 8, 1]},
    "evaluator": {"workers": 2, "conv_widths": (16, 32)},
    "search": {"rounds": 6, "max_queries": None, "checkpoints_kept": 3},
}
LOCK = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_SH)  # even a shared lock is in the way of an own one
print(1, flush=True)
sys.stdin.read()
"""


def test_a_new_run_keeps_its_config_and_what_made_it(tmp_path: pathlib.Path) -> None:
    workdir = Workdir(tmp_path / "a" / "run", CONFIG)
    assert workdir.is_new
    kept = json.loads((workdir.path / "config.json").read_text())
    assert kept["evaluator"] == {"workers": 2, "conv_widths": [16, 32]}
    made = json.loads((workdir.path / "versions.json").read_text())
    assert {"python", "jax", "nasjax", "commit", "command"} <= versions().keys() <= made.keys()
    workdir.close()
    again = Workdir(workdir.path, CONFIG)  # a tuple and the list that JSON makes of it are equal
    assert not again.is_new
    again.close()
    starts = json.loads((workdir.path / "versions.json").read_text())["starts"]
    assert len(starts) == 2 and all(start["jax"] == made["jax"] for start in starts)


FACTS = {"data": "ab" * 32, "engine": 7}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("data", "cd" * 32, "data=abababababab, now it is cdcdcdcdcdcd"),
        ("engine", 8, "engine=7, now it is 8"),
        ("jax", "0.99", "now it is 0.99"),
        ("device_kind", "TPU v9", "now it is TPU v9"),
    ],
)
def test_what_decides_a_number_may_not_change(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, shown: str
) -> None:
    Workdir(tmp_path, CONFIG, facts=FACTS).close()
    Workdir(tmp_path, CONFIG, facts=FACTS).close()
    files_before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        now = {**environment(), name: value}
        patch.setattr(workdir_module, "environment", lambda: now)
        with pytest.raises(UserError) as raised:
            Workdir(tmp_path, CONFIG, facts=FACTS | ({name: value} if name in FACTS else {}))
    assert f"--workdir={tmp_path} was begun with {name}=" in str(raised.value)
    assert shown in str(raised.value) and "choose another --workdir" in str(raised.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files_before
    Workdir(tmp_path, CONFIG, facts=FACTS).close()


def test_a_run_made_before_environments_were_kept_is_taken_once_with_a_line(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    Workdir(tmp_path, CONFIG, facts=FACTS).close()
    (tmp_path / "environment.json").unlink()
    Workdir(tmp_path, CONFIG, facts=FACTS).close()
    assert caplog.text.count("was made before nasjax kept environment.json") == 1
    Workdir(tmp_path, CONFIG, facts=FACTS).close()
    assert caplog.text.count("was made before") == 1
    with pytest.raises(UserError, match="was begun with engine=7"):
        Workdir(tmp_path, CONFIG, facts=FACTS | {"engine": 8})


def test_a_lock_that_is_a_link_is_refused_and_not_followed(tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").symlink_to(victim)
    with pytest.raises(UserError, match="cannot write to --workdir="):
        Workdir(tmp_path / "run", CONFIG)
    assert victim.read_text() == "mine"


def test_a_second_process_is_refused_until_the_first_one_ends(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-c", LOCK, str(tmp_path / "lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as first:  # type: ignore[call-overload]
        assert first.stdout.readline() == "1\n"
        with pytest.raises(UserError, match="another process is running in --workdir"):
            Workdir(tmp_path, CONFIG)
        first.communicate()
    Workdir(tmp_path, CONFIG).close()


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    section, _, key = path.partition(".")
    if key:
        config.setdefault(section, {})[key] = value
    else:
        config[section] = value
    return config


@pytest.mark.parametrize(
    ("key", "value"), [("seed", 1), ("space.input_shape", [28, 28, 1]), ("space.new", 3)]
)
def test_another_config_is_refused_by_key_and_both_values(
    tmp_path: pathlib.Path, key: str, value: Any
) -> None:
    Workdir(tmp_path, CONFIG).close()
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(UserError, match=rf"config\.{key}=.*this one has") as raised:
        Workdir(tmp_path, changed(key, value))
    assert f"has {value!r};" in str(raised.value)
    assert (tmp_path / "config.json").read_bytes() == before
    Workdir(tmp_path, CONFIG).close()  # and the lock was let go


@pytest.mark.parametrize("key", ADJUSTABLE)
def test_budgets_may_change_when_a_run_goes_on(tmp_path: pathlib.Path, key: str) -> None:
    Workdir(tmp_path, CONFIG).close()
    Workdir(tmp_path, changed(key, 9)).close()
    section, _, name = key.partition(".")
    assert json.loads((tmp_path / "config.json").read_text())[section][name] == 9


@pytest.mark.parametrize("key", ADJUSTABLE)
def test_budgets_may_not_change_once_a_run_was_tested(tmp_path: pathlib.Path, key: str) -> None:
    Workdir(tmp_path, CONFIG).close()
    (tmp_path / "final_test.json").write_text("{}")
    if key in BUDGET:
        with pytest.raises(UserError, match=rf"finished and tested.*config\.{key}=.*99"):
            Workdir(tmp_path, changed(key, 99))
    else:
        Workdir(tmp_path, changed(key, 99)).close()


def test_a_damaged_config_is_named_and_can_be_moved_away(tmp_path: pathlib.Path) -> None:
    Workdir(tmp_path, CONFIG).close()
    (tmp_path / "config.json").write_bytes(b'{"seed": \xff')
    with pytest.raises(UserError, match=r"config\.json cannot be read or is damaged; move it away"):
        Workdir(tmp_path, CONFIG)
    (tmp_path / "config.json").unlink()
    Workdir(tmp_path, CONFIG).close()


def test_a_path_below_a_file_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write to --workdir=.*Not a directory"):
        Workdir(tmp_path / "file" / "run", CONFIG)
