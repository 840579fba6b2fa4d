"""Finds and loads config files: by path, or those that come with nasjax by their short names.

A config file is a Python module with `get_config()`, which returns plain data: a dict or a
`ml_collections.ConfigDict`.
"""

import difflib
import importlib
import importlib.util
import pathlib
import sys
import traceback
import types
from collections.abc import Mapping
from typing import Any

import ml_collections

from nasjax import files
from nasjax.errors import UserError

CONFIGS = files.shipped("configs")


def names(folder: str = "") -> list[str]:
    """Short names of the configs that come with nasjax, e.g. "trl_hpo/digits"."""
    paths = sorted((CONFIGS / folder).rglob("*.py"))
    found = [path for path in paths if "def get_config(" in path.read_text(encoding="utf-8")]
    return [path.relative_to(CONFIGS).with_suffix("").as_posix() for path in found]


def find(name: str) -> pathlib.Path:
    """The file of a config, from its path or short name.

    "configs/trl_hpo/digits.py" is a short name outside a clone, too. If there is no such file, a
    UserError lists the short names, the closest first.
    """
    path = pathlib.Path(name)
    if path.is_file():
        return path.resolve()
    short = path.with_suffix("").as_posix().removeprefix("configs/")
    known = names()
    if short in known:
        return CONFIGS / f"{short}.py"
    why = "is a directory" if path.is_dir() else "is no file and no config of nasjax"

    def unlikeness(other: str) -> float:
        whole, last = (
            difflib.SequenceMatcher(None, *pair).ratio()
            for pair in ((short, other), (short.split("/")[-1], other.split("/")[-1]))
        )
        return -max(whole, last)

    listed = ", ".join(sorted(known, key=unlikeness))
    raise UserError(f"--config={name} {why}; known, the closest first: {listed}")


def load(name: str) -> Any:
    """The ConfigDict of a config file; a UserError if it does not run or returns something else.

    The name is as `find` takes it; after a colon comes the argument of `get_config`, as in
    "studies/trl_hpo_ablation:accelerator".
    """
    place, colon, argument = name.partition(":")
    path = find(place)
    try:
        module = _module(path)
        if not hasattr(module, "get_config"):
            raise UserError(f"--config={name} has no function get_config")
        config = module.get_config(*([argument] if colon else []))
    except UserError:
        raise
    except SyntaxError as error:
        raise UserError(f"--config={name}: {error.filename}:{error.lineno}: {error.msg}") from error
    except Exception as error:  # a config file is code: it may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())
        if isinstance(error, ImportError) and "relative import" in text:
            text += "; outside nasjax write `from nasjax.configs.FOLDER import NAME`"
        line = f"--config={name}: {type(error).__name__}: {text} ({last.filename}:{last.lineno})"
        raise UserError(line) from error
    if isinstance(config, Mapping):
        config = ml_collections.ConfigDict(config)
    if not hasattr(config, "to_dict"):
        raise UserError(f"--config={name}: get_config() must return a dict or a ConfigDict")
    return config


def _module(path: pathlib.Path) -> types.ModuleType:
    """Imports the file; inside a package as its module, so that relative imports work."""
    package = path.parent
    while (package.parent / "__init__.py").is_file() and package != CONFIGS:
        package = package.parent
    is_inside = (package / "__init__.py").is_file()
    file = package / "__init__.py" if is_inside else path
    name = f"nasjax_config_{files.digest(str(file).encode())[:8]}"
    if not is_inside or name not in sys.modules:
        folders = [str(package)] if is_inside else None
        spec = importlib.util.spec_from_file_location(
            name, file, submodule_search_locations=folders
        )
        if spec is None or spec.loader is None:
            raise UserError(f"--config={path} is no Python file; its name must end with .py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    if not is_inside:
        return sys.modules[name]
    inner = path.relative_to(package).with_suffix("").parts
    return importlib.import_module(".".join((name, *inner)))
