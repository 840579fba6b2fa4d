"""Texts of the project: they name what exists, open with a subject, and stay short."""

import ast
import functools
import io
import re
import subprocess
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Written in pieces, so that this file does not hold what it forbids.
FOREIGN_PATH = re.compile("|".join(("/wo" + "rk/", "/tmp/" + "dev", r"\.\./" + "shared")))
DRAWERS = {"common", "helpers", "misc", "utils"}

MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60
# What is longer, and why it does not split: {"FILE": "..."}, {"FILE:name": "..."}.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

README_WORDS, MAP_WORDS = 1_000, 900
# A docstring that opens so has lost its subject: who reads it alone does not know what it is about.
HEADLESS = re.compile(
    r"(Of|What|So many|So much|How|Which|That|Whose|Who|As many|For|To be)\b(?! example)"
)
# Named in a text but no files of the repository: what a command writes, what a test invents.
NO_FILES = {
    *("report.md", "configs/no.py", "configs/nowhere.py", "train/model.py", "my_rewards.py"),
}

FOLDERS = "nasjax|launch|configs|tests|docs|benchmarks|third_party"
SUFFIXES = r"py|md|png|json|csv(?:\.gz)?|npz|yml|toml|cc|h|j2|css|mplstyle"
# A path from the root of the repository; a path from anywhere, or a file name; a text in capitals.
ROOTED = re.compile(rf"(?<![\w./<{{-])(?:{FOLDERS})/[\w./-]*\w\.(?:{SUFFIXES})\b(?!\w)")
SHORT = re.compile(r"(?<![\w./<{*-])[a-z][\w/]*\.(?:py|md)\b(?![\w.:])")
# Where the wheel puts folders that lie beside nasjax/ in a clone.
INSTALLED = re.compile(r"^nasjax/(?=(?:launch|configs|benchmarks|third_party)/)")
CAPITALS = re.compile(r"(?<![\w/.-])[A-Z][A-Z_]+\.md\b")
SECTION = re.compile(r"README(?:\.md)?(?:'s|,) (?:section )?\"?((?<=\")[^\"]+|[A-Z]\w+)")
MODULE = re.compile(r"python -m ((?:launch|benchmarks)\.\w+)")
CONFIG = re.compile(r"--config=([\w/.]+)")
LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")


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


@functools.cache
def texts() -> list[tuple[str, str]]:
    """(name, content) of what people read: Markdown, and Python's comments and docstrings."""
    found = [
        (name_of(path), path.read_text(encoding="utf-8"))
        for path in files()
        if path.suffix == ".md" and path.relative_to(ROOT).parts[0] != "third_party"
    ]
    return found + [(name_of(path), prose_of(path)) for path in sources()]


def prose_of(path: Path) -> str:
    """Comments and docstrings of a Python file."""
    text = path.read_text(encoding="utf-8")
    comments = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    return "\n".join([*comments, *(docstring for _, docstring in docstrings(ast.parse(text)))])


def docstrings(tree: ast.Module) -> list[tuple[ast.AST, str]]:
    """The docstrings of a module, its classes and functions, with their nodes."""
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [(node, text) for node in nodes if (text := ast.get_docstring(node))]


def is_public(node: ast.AST) -> bool:
    return not getattr(node, "name", "").startswith("_")


def headings(path: Path) -> set[str]:
    """The headings of a Markdown file, as they are written."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {heading.strip() for heading in re.findall(r"^#+ (.+)$", text, re.M)}


def anchor(heading: str) -> str:
    """The address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_readme_and_the_map_are_short() -> None:
    for name, most in (("README.md", README_WORDS), ("WORKSPACE.md", MAP_WORDS)):
        assert len((ROOT / name).read_text(encoding="utf-8").split()) <= most, name


def test_no_text_names_a_file_that_does_not_exist() -> None:
    names = {name_of(path) for path in files()}
    endings = {"/".join(name.split("/")[i:]) for name in names for i in range(9)}
    missing: dict[str, set[str]] = {}
    for path in files():
        if path == Path(__file__):
            continue
        if path.suffix in (".py", ".md", ".toml", ".yml") or path.name in ("Makefile", "run"):
            for found in ROOTED.findall(path.read_text(encoding="utf-8")):
                named = INSTALLED.sub("", found)
                beside = path.parent / named
                if named not in names and not beside.is_file() and "NAME" not in named:
                    missing.setdefault(named, set()).add(name_of(path))
    for name, text in texts():
        for named in (*SHORT.findall(text), *CAPITALS.findall(text)):
            if named not in endings and not ROOTED.fullmatch(named):
                missing.setdefault(named, set()).add(name)
        for module in MODULE.findall(text):
            if (named := f"{module.replace('.', '/')}.py") not in names and "NAME" not in named:
                missing.setdefault(named, set()).add(name)
    assert missing.keys() <= NO_FILES, missing


def test_the_commands_of_a_text_name_configs_that_exist() -> None:
    wrong = set()
    for name, text in texts():
        for config in CONFIG.findall(text):
            file = config if config.endswith(".py") else f"configs/{config}.py"
            if not (ROOT / file).is_file() and "NAME" not in config:
                wrong.add(f"{name}: --config={config}")
    assert wrong == set()


def test_every_link_of_a_text_leads_to_a_file_and_a_heading() -> None:
    broken = []
    for path in files():
        if path.suffix != ".md" or "kept" in path.parts:  # what a command once wrote
            continue
        for link in LINK.findall(path.read_text(encoding="utf-8")):
            target, _, section = link.partition("#")
            if "://" in target:
                continue
            there = (path.parent / target).resolve() if target else path
            if not there.exists():
                broken.append(f"{name_of(path)}: {link}")
            elif section and section not in map(anchor, headings(there)):
                broken.append(f"{name_of(path)}: {link}: no such heading")
    assert broken == []


def test_a_section_that_a_text_names_is_a_heading_of_a_readme() -> None:
    known = set().union(*(headings(path) for path in files() if path.name == "README.md"))
    named = {
        (name, section)
        for name, text in texts()
        for section in SECTION.findall(text)
        if section not in known
    }
    assert named == set()


def test_no_public_docstring_opens_without_a_subject() -> None:
    headless = [
        f"{name_of(path)}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]}"
        for path in sources("nasjax", "launch", "configs", "benchmarks")
        for node, text in docstrings(ast.parse(path.read_text(encoding="utf-8")))
        if is_public(node) and HEADLESS.match(text)
    ]
    assert headless == []
