"""The names that `import nasjax` offers: light, documented, and the README's example runs."""

import importlib
import json
import pathlib
import subprocess
import sys

import pytest

import nasjax
from nasjax import api

ROOT = pathlib.Path(__file__).parents[1]


def test_the_readmes_example_runs(capsys, monkeypatch):
    _, _, rest = (ROOT / "README.md").read_text().partition("```python\n")
    example, _, _ = rest.partition("```")
    monkeypatch.chdir(ROOT)
    exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    # Regularised evolution finds cells near the table's best of 94.37 % within 200 queries.
    test = float(printed.split("test ")[1].split("%")[0])
    assert 92 < test <= 94.37


def test_every_public_name_is_where_it_is_said_to_be_and_documented():
    assert {"search", "study", "load_config", "UserError", "SPACES"} <= set(nasjax.__all__)
    assert set(nasjax.__all__) <= set(dir(nasjax))
    for module, names in nasjax._HOMES.items():
        for name in names:
            assert getattr(nasjax, name) is getattr(importlib.import_module(module), name)
            is_alias = name == "Reward"  # of a callable, which has no docstring
            assert is_alias or getattr(nasjax, name).__doc__, f"nasjax.{name} has no docstring"


def test_another_name_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'nasjax' has no attribute 'serch'"):
        nasjax.serch  # noqa: B018


def loaded(code):
    """The packages that a fresh interpreter has loaded after the code."""
    script = (
        f"import sys, json\n{code}\nprint(json.dumps([n.partition('.')[0] for n in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_nasjax_loads_no_jax():
    assert not {"jax", "numpy", "flax", "matplotlib"} & loaded("import nasjax\ndir(nasjax)")


@pytest.mark.long
def test_the_registry_loads_nothing_that_only_reports_and_fits_need():
    heavy = {"matplotlib", "pandas", "sklearn", "xgboost", "tqdm", "tensorflow"}
    assert not heavy & loaded("import nasjax\nnasjax.SPACES")


class Stopped(BaseException):
    """Raised where a signal would stop the search."""


@pytest.mark.long
def test_a_stopped_search_can_be_finished(tmp_path, monkeypatch):
    config = nasjax.load_config("nas_bench_201/regularized_evolution")
    config["search"] |= {"rounds": 30, "checkpoint_every": 2}
    kept = {"workdir": tmp_path / "run", "cache_dir": tmp_path}
    with pytest.raises(nasjax.UserError, match="holds no search to finish"):
        nasjax.search(config, finish=True, **kept)
    saved = api.Keeper.on_round

    def stop_in_round_7(self, state):
        saved(self, state)
        if int(state.round) == 7:
            raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(api.Keeper, "on_round", stop_in_round_7)
        with pytest.raises(Stopped):
            nasjax.search(config, **kept)
    assert not (tmp_path / "run" / "summary.json").exists()
    ended = nasjax.search(config, finish=True, **kept)
    assert ended.rounds == 6 and ended.summary["ended_by"] == "--finish"  # its newest checkpoint
    assert ended.test_accuracy == ended.summary["test_accuracy"] is not None
    # The test split is read once per run, so the search does not go on.
    again = nasjax.search(config, **kept)
    assert (again.rounds, again.test_accuracy) == (6, ended.test_accuracy)
    with pytest.raises(nasjax.UserError, match=r"finished and tested.*search\.rounds=30"):
        nasjax.search(config | {"search": config["search"] | {"rounds": 40}}, **kept)


@pytest.mark.long
def test_a_search_leaves_a_directory_that_goes_on(tmp_path):
    config = nasjax.load_config("nas_bench_201/regularized_evolution")
    config["search"] |= {"max_queries": 20, "checkpoint_every": 5}
    first = nasjax.search(config, tmp_path / "run", cache_dir=tmp_path)
    assert {path.name for path in first.workdir.iterdir()} >= {
        "config.json",
        "events.jsonl",
        "final_test.json",
        "report.html",
        "summary.json",
    }
    assert first.summary["best"]["accuracy"] == first.accuracy
    again = nasjax.search(config, tmp_path / "run", cache_dir=tmp_path)
    assert again.encoding.tolist() == first.encoding.tolist() and again.queries == first.queries
    in_memory = nasjax.search(config, cache_dir=tmp_path)
    assert in_memory.encoding.tolist() == first.encoding.tolist()
    assert in_memory.costs == first.costs and in_memory.test_accuracy == first.test_accuracy


@pytest.mark.long
def test_a_search_without_an_answer_says_so(tmp_path):
    config = nasjax.load_config("nas_bench_201/regularized_evolution")
    config["evaluator"]["costs"] = ("network/params_m",)
    config["search"] |= {"max_queries": 20, "max_cost": 1e-6}
    for workdir in (None, tmp_path / "run"):
        result = nasjax.search(config, workdir, cache_dir=tmp_path)
        assert result.architecture is None and result.accuracy is None
        assert result.costs == {} and result.layers == [] and result.queries == 20


@pytest.mark.long
def test_another_table_is_refused_by_a_search_and_a_study(tmp_path):
    searched = nasjax.load_config("nas_bench_201/regularized_evolution")
    searched["search"]["max_queries"] = 5
    studied = {
        "study": {"tables": ("nas_bench_macro/cifar10",), "budgets": (5,), "seeds": 2},
        "evaluator": {},
        "controllers": {"random_search": {"controller": {"name": "random_search"}}},
    }
    name = "table nas_bench_macro/cifar10"
    for start, config, table in ((nasjax.search, searched, "table"), (nasjax.study, studied, name)):
        directory = tmp_path / start.__name__
        start(config, directory, cache_dir=tmp_path)
        path = directory / "environment.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {table: "0" * 64}))
        with pytest.raises(nasjax.UserError, match=f"begun with {table}=000000000000, now it is"):
            start(config, directory, cache_dir=tmp_path)


@pytest.mark.long
def test_a_study_writes_its_report(tmp_path):
    config = {
        "study": {"tables": ("nas_bench_macro/cifar10",), "budgets": (10,), "seeds": 3},
        "evaluator": {},
        "controllers": {"random_search": {"controller": {"name": "random_search"}}},
    }
    result = nasjax.study(config, tmp_path / "study", cache_dir=tmp_path)
    assert all(path.exists() for path in result.files)
    (row,) = result.aggregates
    assert row["label"] == "random_search" and row["seeds"] == 3
