"""The command `nasjax`: its help, its commands, and both names of their modules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from launch import __main__ as main

ROOT = Path(__file__).parents[2]


def started(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["nasjax", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    out, err = capsys.readouterr()
    return ended.value.code, out, err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(monkeypatch, capsys, arguments):
    code, out, err = started(monkeypatch, capsys, *arguments)
    assert (code, err) == (0, "") and len(out.splitlines()) < 20
    assert all(f"  {name}" in out for name in main.COMMANDS)


def test_an_unknown_command_is_one_line_with_the_known_ones(monkeypatch, capsys):
    code, out, err = started(monkeypatch, capsys, "serach")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "did you mean 'search'" in err and all(name in err for name in main.COMMANDS)


def test_own_members_may_lie_in_the_current_folder(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    started(monkeypatch, capsys, "search", "--help")
    assert str(tmp_path) in sys.path


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_a_short_help_with_an_example(monkeypatch, capsys, name):
    code, out, err = started(monkeypatch, capsys, name, "--help")
    assert (code, err) == (0, "") and max(map(len, out.splitlines())) <= 100
    assert f"nasjax {name} " in out.partition("Usage:")[0]
    assert f"Usage: nasjax {name}" in out


def test_help_is_there_before_jax_is_loaded():
    script = "import sys; sys.argv[1:] = ['--help']; from launch import __main__ as main\n"
    script += "try: main.main()\nexcept SystemExit: sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.long
def test_a_process_may_load_the_commands_under_both_of_their_names():
    """As `launch.search` in a clone and as `nasjax.launch.search` once installed."""
    script = """
import importlib, importlib.util, sys
import launch.search, nasjax
spec = importlib.util.spec_from_file_location(
    "nasjax.launch", "launch/__init__.py", submodule_search_locations=["launch"]
)
sys.modules["nasjax.launch"] = importlib.util.module_from_spec(spec)
installed = importlib.import_module("nasjax.launch.search")
assert installed is not launch.search
assert installed.COMMAND.name == launch.search.COMMAND.name == "search"
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_commands_import_each_other_relatively():
    """An absolute import would look for the top-level name `launch`, which no wheel installs."""
    for folder in ("launch", "benchmarks", "configs"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                absolute = isinstance(node, ast.ImportFrom) and node.level == 0
                if absolute or isinstance(node, ast.Import):
                    modules = [node.module] if absolute else [each.name for each in node.names]
                    tops = {str(module).partition(".")[0] for module in modules}
                    assert not tops & {"launch", "benchmarks", "configs"}, path
