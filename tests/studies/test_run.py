"""Studies: arms, what is missing, interruption, merging, what a user may get wrong."""

import collections
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.predictors import saved
from nasjax.studies import config, report, results, run, shards, simulate
from nasjax.studies.analysis.incumbents import incumbents
from nasjax.studies.problem import make_arms
from tests.commands import ROOT, UNOPTIMISED
from tests.test_build import predictor

RANDOM = {"controller": {"name": "random_search", "models_per_round": 1}}
PLAIN = {
    "study": {"tables": ("nas_bench_macro/cifar10",), "budgets": (40,), "seeds": 6},
    "evaluator": {},
    "controllers": {
        "random_search": RANDOM,
        "evolution": {"controller": {"name": "regularized_evolution"}},
    },
}


def changed(**study):
    return PLAIN | {"study": PLAIN["study"] | study}


def run_all(directory, plain, jobs=slice(None), share=(0, 1)):
    study = config.parse(plain)
    missing = run.missing(directory, study.config, make_arms(study), *share)
    run.run(directory, study.config, missing[jobs])
    return study


def missing(directory, study):
    return run.missing(directory, study.config, make_arms(study))


def results_of(directory, study):
    return results.read(directory, make_arms(study))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study that was never interrupted: its directory and its aggregates."""
    directory = tmp_path_factory.mktemp("whole")
    return directory, aggregates_of(directory, run_all(directory, PLAIN))


def aggregates_of(directory, study):
    report.write(directory, study, make_arms(study))
    return json.loads((directory / "study.json").read_text())["aggregates"]


def test_every_controller_meets_every_table_and_budget():
    study = config.parse(changed(tables=("nas_bench_201/cifar10", "a/b"), budgets=(1, 2)))
    assert [(a.label, a.problem.space, a.problem.data_set, a.budget) for a in study.arms] == [
        (label, space, data_set, budget)
        for space, data_set in (("nas_bench_201", "cifar10"), ("a", "b"))
        for budget in (1, 2)
        for label in ("random_search", "evolution")
    ]
    evolution = study.resolved["controllers"]["evolution"]
    assert evolution["controller"]["population_size"] == 10  # a default, filled in
    assert config.parse(study.resolved) == study


@pytest.mark.long
def test_the_report_tells_what_the_shards_hold(whole):
    directory, aggregates = whole
    rows = {row["label"]: row for row in aggregates}
    assert rows["random_search"]["seeds"] == 6 and not rows["evolution"]["learns"]
    found = json.loads((directory / "study.json").read_text())
    assert {"commit", "jax", "device", "cores"} <= set(found)
    assert all(cell["queries_per_second"] > 0 for cell in found["cells"])
    page = (directory / "report.html").read_text()
    assert "evolution" in page and "random_search" in page


@pytest.mark.long
def test_stopped_and_continued_it_is_the_same_study(whole, tmp_path):
    parts = changed(seeds_per_part=4)
    run_all(tmp_path, parts, slice(1))
    study = config.parse(parts)
    assert [len(job.seeds) for job in missing(tmp_path, study)] == [2, 4, 2]
    run_all(tmp_path, parts)
    assert missing(tmp_path, study) == []
    assert aggregates_of(tmp_path, study) == whole[1]


@pytest.mark.long
def test_two_machines_halves_merge_by_copying(whole, tmp_path):
    parts = changed(seeds_per_part=3)
    for i in range(2):
        run_all(tmp_path / str(i), parts, slice(1), share=(i, 2))  # stopped after its first part
        run_all(tmp_path / str(i), parts, share=(i, 2))
        assert len(list((tmp_path / str(i)).rglob("*.npz"))) == 2  # of four
    shutil.copytree(tmp_path / "1", tmp_path / "0", dirs_exist_ok=True)
    assert missing(tmp_path / "0", config.parse(parts)) == []
    assert aggregates_of(tmp_path / "0", config.parse(PLAIN)) == whole[1]


def test_fewer_seeds_run_together_where_memory_is_short(tmp_path):
    jobs = missing(tmp_path, config.parse(changed(memory_budget_gib=1e-6)))
    assert [len(job.seeds) for job in jobs] == [1] * 12


def test_constraints_bound_their_cost_and_predictions_take_its_place(monkeypatch):
    monkeypatch.setattr(saved, "fingerprint", lambda path: f"what {path} holds")
    limits = changed(costs=("network/macs_m", "network/params_m"), quantiles=(0.25, 1.0))
    predicted = {"controller": {"name": "random_search"}, "predicted": ("saved/{cost}", "more")}
    weighted = {"controller": {"name": "reinforce"}, "reward": {"name": "weighted_product"}}
    others = {"predicted": predicted, "weighted": weighted}
    plain = limits | {"controllers": PLAIN["controllers"] | others}
    study = config.parse(plain | {"evaluator": {"costs": ("network/params_m",)}})
    assert config.parse(study.resolved) == study
    observed = {(a.label, a.problem.constraint): a.problem.evaluator for a in study.arms}
    assert len(observed) == len(study.arms) == 4 * 4
    macs = config.Constraint("network/macs_m", 0.25)
    assert observed["evolution", macs]["costs"] == ("network/macs_m", "network/params_m")
    assert observed["evolution", macs._replace(cost="network/params_m")]["costs"] == (
        "network/params_m",
    )
    assert observed["predicted", macs]["costs"] == ()
    assert observed["predicted", macs]["predicted"] == ("saved/macs_m", "more")

    # The bound is that quantile of the table; the search counts the cost in it.
    del plain["controllers"]["predicted"]  # its predictors are none
    arm = next(
        arm
        for arm in make_arms(config.parse(plain))
        if (arm.config.label, arm.problem.constraint) == ("weighted", macs)
    )
    problem = arm.problem
    assert problem.max_cost == problem.search_max_cost == np.quantile(problem.costs, 0.25)
    counted = arm.made.rows.costs[:, 0] * problem.max_cost
    np.testing.assert_allclose(counted, problem.costs, rtol=1e-6)
    np.testing.assert_array_equal(problem.is_kept, problem.costs <= problem.max_cost)


def test_settings_that_observe_the_same_share_one_problem():
    plain = changed(costs=("network/macs_m",), quantiles=(0.25, 0.5), budgets=(10, 20))
    arms = make_arms(config.parse(plain))
    assert len(arms) == 2 * 2 * 2
    problems = {id(arm.problem): arm.problem for arm in arms}
    assert [problem.constraint.quantile for problem in problems.values()] == [0.25, 0.5]
    first, second = problems.values()
    assert first.search_accuracy is second.search_accuracy and first.max_cost < second.max_cost


@pytest.mark.long
def test_searches_that_see_a_predicted_cost_answer_by_it(tmp_path):
    predicted = predictor(tmp_path / "latency_ms", 5.0)  # of every cell
    seeing = {"controller": {"name": "random_search"}, "predicted": (predicted,)}
    cost = "hw_nas_bench/pixel3_latency_ms"
    plain = changed(tables=("nas_bench_201/cifar10",), costs=(cost,), quantiles=(0.001, 0.5))
    plain["study"] |= {"seeds": 2, "budgets": (9,)}
    plain["controllers"] = {"random_search": RANDOM, "seeing": seeing}
    study = run_all(tmp_path / "study", plain)
    for result in results_of(tmp_path / "study", study):
        problem = result.problem
        if result.label == "random_search":
            assert problem.observed_costs is None
            continue
        np.testing.assert_allclose(problem.observed_costs, 5.0, rtol=1e-6)
        tight = problem.max_cost < 5.0
        assert tight == (problem.constraint.quantile == 0.001)
        np.testing.assert_array_equal(incumbents(result) >= 0, [not tight] * 2)


@pytest.mark.long
def test_a_relative_target_is_the_quantile_of_what_is_seen(tmp_path):
    """A predictor whose values are far too low, in the order of the multiply-adds."""
    cost, directory = "hw_nas_bench/pixel3_latency_ms", tmp_path / "low" / "latency_ms"
    seeing = {"controller": {"name": "random_search"}, "predicted": (str(directory),)}
    plain = changed(tables=("nas_bench_201/cifar10",), costs=(cost,), quantiles=(0.3,))
    plain["study"] |= {"seeds": 2, "budgets": (9,)}
    plain["controllers"] = {
        "random_search": RANDOM,
        "absolute": seeing,
        "relative": seeing | {"relative": True},
    }
    kept = {}
    predictor(directory, 1.5, slope=1.0)
    study = run_all(tmp_path / "study", plain)
    assert config.parse(study.resolved) == study
    for result in results_of(tmp_path / "study", study):
        kept[result.label] = result.problem.seems_kept.mean()
    assert kept["random_search"] == pytest.approx(0.3, abs=1e-3)
    assert 0.3 <= kept["relative"] < 0.37  # many cells have as many multiply-adds
    assert kept["absolute"] == 1
    # Searches count costs in the target that they see.
    made = {arm.config.label: arm.made.rows.costs for arm in make_arms(study)}
    np.testing.assert_allclose(np.quantile(made["relative"], 0.3), 1, rtol=1e-5)
    assert made["absolute"].max() < 1


def test_a_study_goes_on_with_the_files_it_began_with_only(tmp_path):
    def plain(**study):
        begun = {"controller": {"name": "autocomet", "initial": (str(tmp_path / "learned.npz"),)}}
        return changed(**study) | {"controllers": PLAIN["controllers"] | {"begun": begun}}

    with pytest.raises(UserError, match="controller.initial=.*learned.npz.*No such file"):
        config.parse(plain())
    (tmp_path / "learned.npz").write_bytes(b"one")
    one = config.parse(plain())
    assert config.parse(one.resolved) == one
    (tmp_path / "learned.npz").write_bytes(b"another")
    digest = one.config.digest
    with pytest.raises(UserError, match=f"study.digest='{digest}'; .*as the files that contr"):
        config.parse(one.resolved)
    assert config.parse(plain()).config.digest != digest


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (changed(costs=("network/macs_m",)), r"study.quantiles=\(\); .*study.costs"),
        (changed(costs=("a",), quantiles=(0.0,)), "study.quantiles=0.0; .*above 0"),
        (
            PLAIN | {"controllers": {"random_search": RANDOM | {"relative": True}}},
            r"controllers.random_search.relative=True; .*without `predicted` False",
        ),
        (
            PLAIN
            | {"controllers": {"random_search": RANDOM | {"predicted": ("a",), "relative": True}}},
            "controllers.random_search.relative=True; .*no study.costs",
        ),
        (
            PLAIN | {"controllers": {"random_search": RANDOM | {"predicted": ()}}},
            r"controllers.random_search.predicted=\(\); it must be one directory",
        ),
        (changed(seeds=0), "config.study.seeds=0; it must be >= 1"),
        (changed(budgets=(0,)), r"config.study.budgets=\(0,\)"),
        (changed(budgets=()), r"config.study.budgets=\(\)"),
        (changed(tables=("nas_bench_201",)), 'study.tables=.*"space/data_set"'),
        (changed(reference="best"), "study.reference='best'; .*random_search, evolution"),
        (changed(seed=1), "unknown key config.study.seed .*did you mean 'seeds'"),
        (PLAIN | {"extra": {}}, "config.extra is unknown"),
        ({"study": PLAIN["study"]}, "config.evaluator is missing"),
        (PLAIN | {"controllers": {}}, "config.controllers"),
        (PLAIN | {"controllers": {"a/b": {}, "random_search": {}}}, "labels of letters"),
        (
            PLAIN | {"controllers": {"random_search": {"controller": {"name": "randm_search"}}}},
            "controllers.random_search: .*did you mean 'random_search'",
        ),
        (
            PLAIN | {"controllers": {"random_search": {"settings": {}}}},
            "config.controllers.random_search='settings'; it must be sections controller",
        ),
        (PLAIN | {"evaluator": {"data_set": "x"}}, "in study.tables instead"),
    ],
)
def test_a_mistake_in_a_config_ends_in_one_line(plain, message):
    with pytest.raises(UserError, match=message) as caught:
        config.parse(plain)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_an_arm_names_the_arm():
    with pytest.raises(UserError, match=r"random_search--nas_bench_macro--svhn--40: .*cifar10"):
        make_arms(config.parse(changed(tables=("nas_bench_macro/svhn",))))


def flags_of(tmp_path, *flags):
    where = (f"--directory={tmp_path / 'study'}", f"--cache_dir={tmp_path}")
    small = ("--config.study.seeds=2", "--config.study.budgets=(20,)")
    return ["--config=configs/studies/quick.py", *where, *small, *flags]


@pytest.mark.long
def test_the_command_runs_a_study_and_the_report_is_made_again(commands, tmp_path):
    module = (sys.executable, "-m", "launch.study")
    done = subprocess.run(
        [*module, *flags_of(tmp_path)],
        cwd=ROOT,
        env=os.environ | UNOPTIMISED,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall("^wrote ", done.stdout, re.MULTILINE)) == 4
    (tmp_path / "study" / "report.md").unlink()
    again = commands.run("report", tmp_path / "study")
    assert again.returncode == 0, again.stderr
    assert "report.md" in again.stdout and (tmp_path / "study" / "report.md").exists()
    other = commands.run(
        "study", *flags_of(tmp_path, "--config.controllers.metaqnn.controller.replays=3")
    )
    assert other.returncode == 2
    (line,) = [line for line in other.stderr.splitlines() if line.startswith("error")]
    assert "config.controllers.metaqnn.controller.replays=100, this one has 3" in line


@pytest.mark.long
@pytest.mark.parametrize("share", ["1/1", "a/b", "2", "-1/2"])
def test_a_share_that_is_none_is_refused(commands, tmp_path, share):
    done = commands.run("study", *flags_of(tmp_path, f"--share={share}"))
    assert done.returncode == 2 and f"--share={share!r}; it must be I/N" in done.stderr


def test_queries_are_rows_of_the_table(whole):
    directory, _ = whole
    for result in results_of(directory, config.parse(PLAIN)):
        assert result.queries.shape == (6, 40) and result.problem.search_accuracy.shape == (6561,)
        assert result.queries.min() >= 0 and result.queries.max() < 6561
        np.testing.assert_array_equal(result.seeds, range(6))


@pytest.mark.long
def test_budgets_share_a_program_unless_the_controller_depends_on_them(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(
        simulate, "compile_anew", lambda lowered: (lowered.compile(), compiled.append(1) or 0.0)
    )
    both, alone = changed(budgets=(15, 40)), changed(budgets=(15,))
    run_all(tmp_path / "both", both)
    assert len(compiled) == 2 * 2  # the beginning and the rounds of each of two settings
    run_all(tmp_path / "alone", alone)
    for arm in config.parse(alone).arms:
        short, long = (shards.read(tmp_path / name, arm.name) for name in ("alone", "both"))
        np.testing.assert_array_equal(short.found.queries, long.found.queries)
    learner = {"controller": {"name": "metaqnn"}}  # its schedule is the budget's
    compiled.clear()
    run_all(tmp_path / "learner", both | {"controllers": {"random_search": learner}})
    assert len(compiled) == 2 * 2


@pytest.mark.long
def test_progress_is_told_until_all_queries_are_made(tmp_path):
    study, told = config.parse(changed(seeds=3)), collections.Counter()
    jobs = missing(tmp_path, study)
    run.run(tmp_path, study.config, jobs, lambda arm, queries: told.update({arm: queries}))
    assert told == {job.arm.config.name: job.queries for job in jobs}
