"""Random changes of configs, as a user types them: each is accepted, or refused in one line."""

import contextlib
import io
import pathlib
import random
from collections.abc import Iterator
from typing import Any

from launch import command_line, search, study
from nasjax import build, config_files
from nasjax.errors import UserError
from nasjax.studies import config as study_config
from nasjax.studies import problem
from tests.fuzz.verdicts import Verdict, judge

SEARCHES = (
    "trl_hpo/digits",
    "digits/metaqnn",
    "nas_bench_201/trl_hpo",
    "nas_bench_201/regularized_evolution",
    "nas_bench_201/autocomet",
)
STUDIES = ("studies/quick",)
VALUES = (
    *("0", "-1", "1", "2", "7", "0.5", "-0.0", "1e-320", "1e308", "1e400", "nan", "inf", "-inf"),
    *("2147483647", "2147483648", "99999999999999999999", "-99999999999999999999", "1e20"),
    *("None", "True", "False", "", " ", "x", "'x'", "ü", "\u202e", "a\nb", "a\x00b", "x" * 300),
    *("[]", "()", "(1,)", "(1.5,)", "('a',)", "(1,(2,3))", "{}", "{'name': 'digits'}"),
    *("{'name': ['a']}", "{1: 2}", "lambda: 0", "__import__('os')", "1+1", "0x10", "1_000"),
    *("trl_hpo", "accuracy", "digits", "idx:/nonexistent", "tfds:none_such", "../x", "~nouser/x"),
)


def cases(seed: int, count: int) -> Iterator[tuple[str, list[str]]]:
    """(config, overrides): one to three of its keys, some misspelt, with values of all kinds."""
    random_of = random.Random(seed)
    keys = {name: list(_keys(config_files.load(name).to_dict())) for name in (*SEARCHES, *STUDIES)}
    for _ in range(count):
        name = random_of.choice((*SEARCHES, *STUDIES))
        changes = []
        for _ in range(random_of.choice((1, 1, 1, 2, 3))):
            key = random_of.choice(keys[name])
            if random_of.random() < 0.05:
                place = random_of.randrange(len(key))
                key = key[:place] + random_of.choice("x_.") + key[place + 1 :]
            changes.append(f"--config.{key}={random_of.choice(VALUES)}")
        yield name, changes


def _keys(section: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in section.items():
        if path or isinstance(value, dict):
            yield path + key
        if isinstance(value, dict):
            yield from _keys(value, f"{path}{key}.")


def run(seed: int, count: int, folder: pathlib.Path) -> Iterator[Verdict]:
    """The verdicts; a search or a study is set up, and does not begin."""

    def set_up_search(given: Any) -> None:
        build.assemble(build.parse(given.config), cache_dir=folder / "cache", use_store=False)

    def set_up_study(given: Any) -> None:
        problem.make_arms(study_config.parse(given.config))

    for name, changes in cases(seed, count):
        is_study = name in STUDIES
        command = (study if is_study else search).COMMAND
        command = command._replace(run=set_up_study if is_study else set_up_search)
        words = [f"--config={name}", f"--directory={folder / 'run'}", *changes]

        def one(command: Any = command, words: list[str] = words) -> str:
            told = io.StringIO()
            with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
                code = command_line.run(command, words)
            lines = [line for line in told.getvalue().splitlines() if line.startswith("error: ")]
            if code == 2 and len(lines) == 1:
                raise UserError(lines[0])
            assert code == 0, (code, told.getvalue()[-500:])
            return "accepted"

        yield judge("config", f"{name} {changes}", one)
