"""One entry per member, and members that live outside the project."""

import ast
import dataclasses
import functools
import json
import pathlib
import re

import jax
import numpy as np
import pytest

import nasjax
from nasjax import build, loop, registry
from nasjax.contracts import check_controller, check_evaluator, check_space
from nasjax.errors import UserError
from nasjax.studies import simulate
from tests.contracts.outside import CLIMBER, SLOTS, WORDS, WORTH
from tests.witness import asked_by_the_host_loop

ROOT = pathlib.Path(nasjax.__file__).parent
KINDS = {
    "space": registry.SPACES,
    "controller": registry.CONTROLLERS,
    "evaluator": registry.EVALUATORS,
    "reward": registry.REWARDS,
    "predictor": registry.PREDICTORS,
}
NAMES = {name for members in KINDS.values() for name in members}
# Also words of the language of searches and records: they count where something is called so.
WORDS_TOO = {"accuracy", "surrogate", "table", "trained"}
# May name members, and why.
EXCEPTIONS = {
    "data/tables.py": "published tables are named as their spaces are",
    "predictor_studies/comparison/config.py": "only cells are in tables of many devices' costs",
    "predictor_studies/comparison/timing.py": "predictions are timed inside one chosen search",
    "studies/analysis/summary.py": "the label that ratios in reports are also taken to",
    "studies/config.py": "the label and the reward of a study that names none",
    "studies/report.py": "the column of ratios to that label",
}


def own_files(name):
    """The member's own module or folder."""
    return {path for path in ROOT.rglob("*") if path.stem == name}


def named(tree):
    """(line, name) of all that the code calls by a member's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES - WORDS_TOO:
            yield node.lineno, node.value
        if isinstance(node, ast.Compare) and re.search(r"'name'|\.names", ast.unparse(node)):
            for one in (node.left, *node.comparators):
                if isinstance(one, ast.Constant) and one.value in WORDS_TOO:
                    yield one.lineno, one.value
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                is_name = isinstance(key, ast.Constant) and key.value == "name"
                if is_name and isinstance(value, ast.Constant) and value.value in WORDS_TOO:
                    yield value.lineno, value.value


def members_named_in(path):
    """Lines that name a member, but for those of its own module."""
    relative = path.relative_to(ROOT).as_posix()
    for line, name in named(ast.parse(path.read_text())):
        own = own_files(name)
        if path not in own and not own & set(path.parents):
            yield f"nasjax/{relative}:{line} names {name}"


def sources():
    paths = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
    del paths["registry.py"]
    return paths


def test_nothing_but_the_registry_names_a_member():
    found = [
        line
        for relative, path in sources().items()
        if relative not in EXCEPTIONS
        for line in members_named_in(path)
    ]
    assert not found, "\n".join(found)


def test_every_exception_is_one():
    paths = sources()
    for relative in EXCEPTIONS:
        assert list(members_named_in(paths[relative])), f"{relative} names no member any more"


def test_what_names_a_member_is_seen():
    lines = ['"trl_hpo"', 'config["name"] == "table"', '{"name": "accuracy"}', 'x == "accuracy"']
    text = "\n".join(lines)
    found = [(1, "trl_hpo"), (2, "table"), (3, "accuracy")]
    assert sorted(named(ast.parse(text))) == found


@pytest.mark.parametrize("section", sorted(KINDS))
def test_entries_have_the_names_that_they_are_found_by(section):
    for name, entry in KINDS[section].items():
        assert entry.name == name and registry.find(section, name) is entry
        assert registry.find(section, entry) is entry
        assert dataclasses.is_dataclass(entry.settings)


def test_what_an_entry_refers_to_is_there():
    for entry in registry.SPACES.values():
        if entry.profile is not None:
            module, _, attribute = entry.profile.partition(":")
            path = ROOT.parent / (module.replace(".", "/") + ".py")
            assert re.search(rf"^{attribute}\b", path.read_text(), re.MULTILINE)
        if entry.evaluator is not None:
            assert registry.fitting_evaluator(entry.name).name == entry.evaluator
        for data_set in entry.tables.data_sets if entry.tables else ():
            assert entry.tables.cost_names(data_set)
            rows = entry.tables.load(data_set, entry.tables.cost_names(data_set)[:1])
            assert rows.costs.shape == (registry.slot_space(entry.name).size, 1)


# --- members outside the project -----------------------------------------------------------------

OUTSIDE = {
    "seed": 0,
    "space": {"name": "tests.contracts.outside:WORDS"},
    "controller": {"name": "tests.contracts.outside:CLIMBER", "rows": 3},
    "evaluator": {"name": "table", "data_set": "english", "costs": ("ink_mm",), "noise": False},
    "reward": {"name": "accuracy"},
    "search": {"rounds": 60},
}


@pytest.mark.long
def test_a_space_and_a_controller_from_outside_are_searched_by_name(tmp_path):
    result = nasjax.search(OUTSIDE, tmp_path / "run", cache_dir=tmp_path)
    assert result.architecture == "b > b > b > b > b"
    assert result.accuracy == pytest.approx(WORTH.max())
    assert result.test_accuracy == pytest.approx(WORTH.max() / 2)  # what the table has to report
    assert result.costs == {"ink_mm": SLOTS} and result.queries == 180
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert kept["space"] == OUTSIDE["space"] and kept["controller"] == OUTSIDE["controller"]
    assert "b" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.long
def test_they_are_asked_the_same_in_one_program():
    sections = {key: OUTSIDE[key] for key in ("space", "controller", "evaluator", "reward")}
    made = build.assemble_table(sections, 30)
    found = simulate.run_seeds(made, np.arange(4), 30)
    index = jax.jit(made.space.index)
    for seed in (0, 3):
        asked = asked_by_the_host_loop(made, seed, 30)
        np.testing.assert_array_equal(found.queries[seed], [index(one) for _, one in asked])


def test_a_bound_holds_for_them():
    result = nasjax.search(OUTSIDE | {"search": {"rounds": 60, "max_cost": 2.0}})
    assert 0 < result.costs["ink_mm"] <= 2 and result.architecture.count("b") <= 2


@pytest.mark.long
def test_they_keep_the_contracts():
    space = WORDS.make(WORDS.settings(), None)
    check_space(space)
    check_controller(CLIMBER, {"rows": 3}, space=space)
    made = build.assemble(build.parse(OUTSIDE))
    check_evaluator(lambda: made.evaluator, space, 32)


def test_an_entry_itself_may_stand_for_a_section_or_its_name():
    own = OUTSIDE | {"space": WORDS, "controller": {"name": CLIMBER}}
    settings = build.parse(own)
    made = build.assemble(settings)
    plain = build.resolved(settings, made.space)
    assert plain["space"] == {"name": "words"}
    assert plain["controller"] == {"name": "climber", "rows": 2}


class Prefers:
    """An evaluator of its own, for a space that has no table: 1 for the architecture "ccccc"."""

    @staticmethod
    def make(settings, request):
        def evaluate(seed_key, proposal):
            right = (proposal.architecture[..., 0] == 3).mean(1)
            ok = jax.vmap(request.space.is_valid)(proposal.architecture)
            return nasjax.Outcome(
                jax.numpy.tile(right[:, None], (1, 2)),
                right,
                jax.numpy.zeros((len(right), 0)),
                jax.numpy.where(ok, 0, 1).astype("int32"),
            )

        made = nasjax.Evaluator(evaluate, pure=True)
        return nasjax.Evaluation(
            evaluator_of=lambda source: made,
            source=(),
            test=lambda architecture: {"test_accuracy": 0.5},
            validation_batches=2,
            counts_of=None,
        )


PREFERS = nasjax.EvaluatorEntry("prefers", Prefers.make)
OTHER_WORDS = dataclasses.replace(WORDS, name="other_words", evaluator=PREFERS, tables=None)


@pytest.mark.long
def test_a_space_may_bring_its_own_evaluator():
    config = OUTSIDE | {"space": {"name": OTHER_WORDS}, "evaluator": {"name": "prefers"}}
    result = nasjax.search(config)
    assert result.architecture == "c > c > c > c > c"
    assert (result.accuracy, result.test_accuracy) == (1.0, 0.5)
    with pytest.raises(UserError, match="evaluator.name='table'; it must be 'prefers'"):
        nasjax.search(config | {"evaluator": OUTSIDE["evaluator"]})


@pytest.mark.parametrize(
    ("section", "name", "message"),
    [
        ("space", "no.such.module:A", "config.space.name='no.such.module:A': cannot import"),
        ("space", "tests.contracts.outside:NONE", "has no attribute 'NONE'"),
        ("space", "tests.contracts.outside:CLIMBER", "type ControllerEntry; .* a SpaceEntry"),
        ("controller", "tests.contracts.outside:NOT_AN_ENTRY", "of type int; .*ControllerEntry"),
        ("reward", "acuracy", "did you mean 'accuracy'.*package.module:ATTRIBUTE"),
        ("space", "fbnet", "config.space.name='fbnet'; it must be a space that can be searched"),
    ],
)
def test_a_wrong_name_is_one_line(section, name, message):
    with pytest.raises(UserError, match=message) as raised:
        build.parse(OUTSIDE | {section: {"name": name}})
    assert "\n" not in str(raised.value)


def test_settings_from_outside_are_checked_as_others_are():
    parse = functools.partial(registry.parse_member, "controller")
    with pytest.raises(UserError, match="unknown key config.controller.row .*'rows'"):
        parse({"name": "tests.contracts.outside:CLIMBER", "row": 3})
    with pytest.raises(UserError, match="config.controller.rows=0; it must be >= 1"):
        parse({"name": "tests.contracts.outside:CLIMBER", "rows": 0})


def test_the_loop_takes_an_own_controller_without_any_config():
    space = WORDS.make(WORDS.settings(), None)
    request = nasjax.Request(space, 1, rounds=3)
    controller = CLIMBER.make(CLIMBER.settings(), request)
    assert loop.init(controller, space, jax.random.key(0)).controller.architecture.shape == (5, 1)
