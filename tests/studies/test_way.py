"""The way of a study from its config to its report is short, and has no step back."""

import ast
import functools
from pathlib import Path

import nasjax

ROOT = Path(nasjax.__file__).parents[1]
ON_THE_WAY = ("nasjax.studies", "nasjax.reports")


def module_file(name: str) -> Path:
    return ROOT / (name.replace(".", "/") + ".py")


def imports(name: str) -> set[str]:
    """The modules on the way that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(module_file(name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            found |= {other for other in names if module_file(other).is_file()}
    return {other for other in found if other.startswith(ON_THE_WAY)}


@functools.cache
def longest_way(name: str) -> tuple[str, ...]:
    """The longest chain of imports that ends in a module; endless where modules form a circle."""
    return max(((*longest_way(other), name) for other in imports(name)), key=len, default=(name,))


def test_no_value_passes_more_than_twelve_modules_and_none_twice() -> None:
    way = longest_way("nasjax.studies.report")
    assert "nasjax.studies.config" in {m for name in way for m in (name, *imports(name))}
    assert len(way) == len(set(way)) <= 12, way


def test_the_runner_knows_nothing_of_analysis_and_report() -> None:
    """Shards are made before anybody looks at them."""
    seen, left = set(), ["nasjax.studies.run"]
    while left:
        name = left.pop()
        seen.add(name)
        left += imports(name) - seen
    assert not [name for name in seen if "analysis" in name or name.startswith("nasjax.reports")]
