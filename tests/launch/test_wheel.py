"""The wheel: one top-level name, and commands that work far from the clone.

The main command, as a user starts it, runs here to its end: a search on handwritten digits.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

from nasjax.evaluation.trained import native
from tests.commands import UNOPTIMISED

ROOT = pathlib.Path(__file__).parents[2]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the clone, so that building leaves nothing in it."""
    copy = tmp_path_factory.mktemp("source") / "nasjax"
    kept = ["nasjax", "launch", "configs", "benchmarks", "third_party"]
    kept += ["setup.py", "pyproject.toml", "README.md", "LICENSE"]
    ignore = shutil.ignore_patterns("__pycache__", "native/build", "*.so")
    for name in kept:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=ignore)
        else:
            shutil.copy(path, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder))
    done = subprocess.run([*build, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = folder.glob("*.whl")
    return path


class Installed:
    """An environment of its own that sees what nasjax depends on, and no clone of nasjax."""

    def __init__(self, folder, *install):
        venv.create(folder / "venv", with_pip=False)
        self.bin = folder / "venv" / "bin"
        (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        # Of a folder that a .pth file names, Python reads no .pth files: not the clone's either.
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = (sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install")
        options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation")
        # --ignore-installed: the clone's nasjax is among what it sees.
        subprocess.run([*pip, *options, "--ignore-installed", *install], check=True)
        self._elsewhere = folder / "elsewhere"
        self._elsewhere.mkdir()
        self._env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "XLA_FLAGS")}
        # The kernels that the clone has compiled fit the installed sources, byte for byte.
        assert native.load(), "no C++ compiler"
        shutil.copytree(
            native.SOURCES / "build", folder / ".cache" / "nasjax" / "native", dirs_exist_ok=True
        )
        self._env["HOME"] = str(folder)
        self._env["NASJAX_CACHE_DIR"] = str(folder / "cache")

    def __call__(self, program, *arguments, env=UNOPTIMISED):
        """Runs a program of the environment in an empty folder; what it printed."""
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self._elsewhere,
            env=self._env | env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def read(self, name):
        return (self._elsewhere / name).read_text()


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"), str(wheel))


def test_a_wheel_has_one_top_level_name_and_all_that_the_code_reads(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"nasjax"}
    assert {
        "nasjax/py.typed",
        "nasjax/launch/__main__.py",
        "nasjax/configs/trl_hpo/digits.py",
        "nasjax/configs/studies/methods.py",
        "nasjax/benchmarks/architectures.json",
        "nasjax/third_party/devices.json",
        "nasjax/third_party/nas_bench_201/table.npz",
        "nasjax/third_party/ncnn_devices/measurements.csv.gz",
        "nasjax/evaluation/trained/native/library.cc",
        "nasjax/evaluation/trained/native/product.h",
    } <= set(names)
    assert any(name.startswith("nasjax/reports/templates/html/") for name in names)
    assert not [name for name in names if name.startswith("nasjax/tests")]


@pytest.fixture(scope="module")
def quickstart(installed):
    """The summary of a whole search, compiled as a user's, every program of it by this search."""
    out = installed("nasjax", "search", "--config=trl_hpo/digits", "--directory=run", env={})
    assert "best network" in out
    return json.loads(installed.read("run/summary.json"))


def test_a_whole_search_compiles_at_most_half_as_many_programs_as_it_trains_candidates(quickstart):
    trained, programs = quickstart["candidates"]["trained"], quickstart["programs_compiled"]
    assert trained >= 100
    assert 2 * programs <= trained
    assert programs <= 40


def test_it_learns_and_finds_a_cnn_as_good_as_its_config_promises(quickstart):
    assert quickstart["updates"] == 100
    assert quickstart["test_accuracy"] >= 0.97


@pytest.mark.usefixtures("quickstart")
def test_an_installed_search_is_reported_again_far_from_the_clone(installed):
    (line,) = installed("nasjax", "report", "run", "--output=again.html").splitlines()[-1:]
    assert line == "wrote     again.html" and "<html" in installed.read("again.html")


def test_an_installed_search_finds_tables_and_runs_as_a_module(installed):
    config = ("--config=nas_bench_201/regularized_evolution", "--config.search.rounds=5")
    out = installed("python", "-m", "nasjax.launch.search", *config, "--directory=table")
    assert "(from the table)" in out


def test_an_installed_nasjax_takes_no_other_name(installed):
    script = "import importlib.util as u, nasjax.launch\n"
    script += "print([n for n in ('launch', 'configs', 'benchmarks', 'third_party')"
    script += " if u.find_spec(n) is not None], bool(u.find_spec('nasjax.benchmarks.plan')))"
    assert installed("python", "-c", script) == "[] True\n"


def test_an_own_config_may_import_those_that_come_with_nasjax(installed):
    text = "from nasjax.configs.studies import methods\nprint(sorted(methods.SIMPLE))"
    assert "local_search" in installed("python", "-c", text)


def test_an_editable_installation_works_far_from_the_clone(source, tmp_path):
    editable = Installed(tmp_path, "--editable", str(source))
    script = "import nasjax.launch.flags as f, nasjax.configs.trl_hpo.digits as d; "
    script += "from nasjax.files import shipped; from nasjax.data.tables import load_table; "
    script += "print(f.__file__, d.__file__, shipped('third_party'), sep='\\n'); "
    script += "print(len(load_table('nas_bench_201', 'cifar10', ()).ops))"
    *files, cells = editable("python", "-c", script).splitlines()
    assert [pathlib.Path(file) for file in files] == [
        source / "launch/flags.py",
        source / "configs/trl_hpo/digits.py",
        source / "third_party",
    ]
    assert int(cells) == 15_625
