"""What the files say and how long they are: no machine's paths, an opening sentence, no drawers."""

import ast
import functools
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Written in pieces, so that this file does not hold what it forbids.
FOREIGN_PATH = re.compile("|".join(("/wo" + "rk/", "/tmp/" + "dev", r"\.\./" + "shared")))
DRAWERS = {"common", "helpers", "misc", "utils"}

MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60
# What is longer, and why it does not split: {"nasjax/x.py": "..."}, {"nasjax/x.py:name": "..."}.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file of the project: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    found = tuple(ROOT / name for name in listed if name and (ROOT / name).is_file())
    assert ROOT / "setup.py" in found, "the list of files is empty or from another folder"
    return found


def sources(*folders: str) -> list[Path]:
    """The Python files under the given top-level folders; all of them if none is given."""
    return [
        path
        for path in files()
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders)
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in files():
        content = path.read_bytes()
        if b"\0" in content[:8192]:  # binary
            continue
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
            if FOREIGN_PATH.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_every_module_opens_with_a_docstring() -> None:
    bare = [
        name_of(path)
        for path in sources("nasjax", "launch", "configs")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert bare == []


def test_every_folder_of_modules_is_a_package() -> None:
    """The import checks and setup.py see packages only."""
    folders = {path.parent for path in sources("nasjax", "launch", "configs")}
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = [
        name_of(path)
        for path in sources("nasjax", "launch")
        if DRAWERS & set(path.relative_to(ROOT).with_suffix("").parts)
    ]
    assert drawers == []


def test_files_stay_readable_in_one_sitting() -> None:
    lengths = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in sources()}
    long = {name: length for name, length in lengths.items() if length > MAX_FILE_LINES}
    assert long.keys() == LONG_FILES.keys(), long


def test_functions_stay_readable_on_one_screen() -> None:
    long = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    long[f"{name_of(path)}:{node.name}"] = length
    assert long.keys() == LONG_FUNCTIONS.keys(), long


def test_each_exception_says_why() -> None:
    reasons = {**LONG_FILES, **LONG_FUNCTIONS}
    assert [name for name, reason in reasons.items() if len(reason.split()) < 4] == []
