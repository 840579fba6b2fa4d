"""Configs by path and by short name; each that comes with nasjax loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nasjax import config_files
from nasjax.errors import UserError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", config_files.names())
def test_every_config_that_comes_with_nasjax_loads_by_its_short_name(name):
    assert config_files.load(name).to_dict() == config_files.load(f"configs/{name}.py").to_dict()


def test_the_short_names_are_all_files_with_a_config_and_no_other():
    names = config_files.names()
    assert len(names) >= 30 and {"trl_hpo/digits", "studies/quick"} <= set(names)
    assert "studies/methods" not in names and "studies/__init__" not in names
    assert config_files.names("trl_hpo") == [n for n in names if n.startswith("trl_hpo/")]


def test_what_follows_a_colon_is_the_argument_of_get_config():
    cpu, other = (config_files.load(f"studies/trl_hpo_ablation{a}") for a in ("", ":accelerator"))
    assert (cpu.study.seeds, other.study.seeds) == (32, 500)


def test_an_own_file_in_a_package_of_its_own_may_import_its_neighbours(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    (tmp_path / "mine" / "base.py").write_text("SEED = 7\n")
    (tmp_path / "mine" / "small.py").write_text(
        "import ml_collections\nfrom .base import SEED\n"
        "def get_config():\n    return ml_collections.ConfigDict(dict(seed=SEED))\n"
    )
    assert config_files.load(str(tmp_path / "mine" / "small.py")).seed == 7


def test_a_config_may_be_a_plain_dict(tmp_path):
    (tmp_path / "plain.py").write_text(
        "def get_config():\n    return dict(search=dict(rounds=2))\n"
    )
    assert config_files.load(str(tmp_path / "plain.py")).search.rounds == 2


def test_a_copy_elsewhere_is_told_what_to_write_instead_of_a_relative_import(tmp_path):
    copy = tmp_path / "quick.py"
    copy.write_text((ROOT / "configs/studies/quick.py").read_text())
    with pytest.raises(UserError, match=r"write `from nasjax\.configs\.FOLDER import NAME`"):
        config_files.load(str(copy))


def test_a_file_that_was_edited_is_read_anew(tmp_path):
    file = tmp_path / "own.py"
    text = "from ml_collections import ConfigDict as C\ndef get_config(): return C(dict(x={}))\n"
    for value in (1, 22):
        file.write_text(text.format(value))
        assert config_files.load(str(file)).x == value


def test_loading_configs_loads_no_jax():
    script = "import sys; from nasjax import config_files as c\n"
    script += "for name in c.names(): c.load(name)\nassert 'jax' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", script], check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": ""}
    )
