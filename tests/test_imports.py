"""The search path loads on a bare accelerator image."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ABSENT = ("matplotlib", "sklearn", "tensorflow", "tensorflow_datasets", "tqdm", "xgboost")
SEARCH_PATH = (
    "nasjax.build",
    "nasjax.controllers",
    "nasjax.evaluation",
    "nasjax.predictors",
    "nasjax.rewards",
    "nasjax.loop",
    "nasjax.spaces",
)

# For a fresh interpreter; argv[1] is {"absent": [], "roots": []}. Prints {module: error or null}.
IMPORT_ALL = """
import importlib, json, pkgutil, sys

asked = json.loads(sys.argv[1])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in asked["absent"]:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)

sys.meta_path.insert(0, Absent())
outcome = {}

def attempt(name):
    try:
        module = importlib.import_module(name)
    except Exception as error:
        outcome[name] = f"{type(error).__name__}: {error}"
        return
    outcome[name] = None
    for child in pkgutil.iter_modules(getattr(module, "__path__", ())):
        attempt(f"{name}.{child.name}")

for root in asked["roots"]:
    attempt(root)
print(json.dumps(outcome))
"""


def import_all(roots: tuple[str, ...]) -> dict[str, str | None]:
    """Import each root with all its submodules where ABSENT is not installed."""
    asked = json.dumps({"absent": ABSENT, "roots": roots})
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, asked],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_search_path_loads_without_data_set_and_plotting_packages() -> None:
    outcome = import_all(SEARCH_PATH)
    failed = {name: error for name, error in outcome.items() if error is not None}
    assert not failed
    for package in ("nasjax.controllers", "nasjax.evaluation", "nasjax.rewards", "nasjax.spaces"):
        modules = [name for name in outcome if name.startswith(f"{package}.")]
        assert modules, f"found no module in {package}: this test would pass on nothing"


def test_blocked_packages_are_really_absent() -> None:
    outcome = import_all(ABSENT)
    assert {name: error for name, error in outcome.items() if "blocked" not in (error or "")} == {}
