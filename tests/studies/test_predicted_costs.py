"""Studies that limit what a saved predictor says of a table, where nothing was measured."""

import json

import numpy as np
import pytest

from configs.studies import autocomet_macro_device
from nasjax.data.tables import load_table
from nasjax.errors import UserError
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved
from nasjax.spaces.nas_bench_macro import NasBenchMacro
from nasjax.studies import config, report, results, run
from nasjax.studies.analysis.incumbents import incumbents
from nasjax.studies.problem import make_arms

SPACE, SCALE = NasBenchMacro(), 5e6
MACS = SPACE.feature_names.index("macs")


def predictor(directory, most):
    """Support vectors that read multiply-adds only; returns the directory's name."""
    zeros = np.zeros(len(SPACE.feature_names), np.float32)
    scale = np.full_like(zeros, np.inf)
    scale[MACS] = SCALE
    params = {
        "center": zeros,
        "scale": scale,
        "vectors": zeros[None],
        "weights": np.array([1 - most], np.float32),
        "offset": np.float32(most),
    }
    facts = {"data_set": "cifar10"}
    page = Saved("support_vectors", {}, "latency_ms", SPACE.feature_names, params, facts)
    saved.save(directory, page)
    return str(directory)


def milliseconds(macs, most):
    """The same in plain numbers: one ms for nothing, most for the largest."""
    return most + (1 - most) * np.exp(-((macs / SCALE) ** 2) / len(SPACE.feature_names))


def plain(latency, **study):
    asked = {"tables": ("nas_bench_macro/cifar10",), "budgets": (12,), "seeds": 3}
    asked |= {"costs": (latency,), "quantiles": (0.25,)}
    return {
        "study": asked | study,
        "evaluator": {"noise": False, "predicted": (latency,)},
        "controllers": {
            "random_search": {"controller": {"name": "random_search", "models_per_round": 1}},
            "evolution": {
                "controller": {"name": "regularized_evolution"},
                "reward": {"name": "weighted_product"},
            },
        },
    }


@pytest.fixture(scope="module")
def latency(tmp_path_factory):
    return predictor(tmp_path_factory.mktemp("saved") / "latency_ms", 10.0)


def test_the_limited_one_of_several_predictors_is_seen_first_and_alone_before_them(tmp_path):
    first, second = (predictor(tmp_path / name, 2.0) for name in ("first", "second"))
    asked = plain(second, costs=(second, "network/macs_m"))
    asked["evaluator"]["predicted"] = (first, second)
    study = config.parse(asked)
    assert config.parse(study.resolved) == study and study.config.digest
    seen = {arm.problem.constraint.cost: arm.problem.evaluator for arm in study.arms}
    assert (seen[second]["costs"], seen[second]["predicted"]) == ((), (second, first))
    macs = seen["network/macs_m"]
    assert (macs["costs"], macs["predicted"]) == (("network/macs_m",), (first, second))


@pytest.fixture(scope="module")
def made(latency, tmp_path_factory):
    directory = tmp_path_factory.mktemp("study")
    study = config.parse(plain(latency, measures=(latency, "network/macs_m")))
    arms = make_arms(study)
    run.run(directory, study.config, run.missing(directory, study.config, arms))
    return directory, study, arms


@pytest.mark.long
def test_quantiles_and_answers_are_of_what_is_predicted(made, latency):
    directory, _, arms = made
    (costs,) = load_table("nas_bench_macro", "cifar10", ("network/macs_m",)).costs.T
    wanted = milliseconds(1e6 * costs.astype(np.float64), 10.0)
    assert np.ptp(wanted) > 2
    for result in results.read(directory, arms):
        problem = result.problem
        np.testing.assert_allclose(problem.costs, wanted, rtol=1e-4)
        assert problem.max_cost == pytest.approx(np.quantile(wanted, 0.25), rel=1e-4)
        assert problem.is_predicted and problem.observed_costs is None
        found = incumbents(result)
        assert problem.is_kept[found[found >= 0]].all()
        np.testing.assert_array_equal(problem.measures[latency], problem.costs)
        np.testing.assert_array_equal(problem.measures["network/macs_m"], costs)
    counted = arms[1].made.rows.costs[:, 0] * arms[1].problem.max_cost
    np.testing.assert_allclose(counted, arms[1].problem.costs, rtol=1e-6)


@pytest.mark.long
def test_the_report_says_that_the_cost_is_predicted(made, latency):
    directory, study, arms = made
    report.write(directory, study, arms)
    words = f"{latency} is what a saved predictor says of the table's architectures"
    assert words in (directory / "report.html").read_text().replace("&#x27;", "'")
    rows = json.loads((directory / "study.json").read_text())["aggregates"]
    assert [row["cost_is_predicted"] for row in rows] == [True, True]
    assert {row["answered_kept_percent"] for row in rows} == {100.0}
    assert all(row["answered_percent"] > 0 for row in rows)


def test_what_controllers_see_instead_is_still_another_cost(latency, tmp_path):
    asked = plain(latency)
    misled = predictor(tmp_path / "other", 3.0)
    asked["controllers"]["evolution"]["predicted"] = (misled,)
    told, other = make_arms(config.parse(asked))
    assert told.problem.observed_costs is None and other.problem.observed_costs is not None
    assert other.config.problem.evaluator["predicted"] == (misled,)
    assert other.problem.max_cost == told.problem.max_cost


def test_a_predictor_fitted_anew_is_read_anew(tmp_path):
    asked = plain(predictor(tmp_path / "latency_ms", 2.0))
    for setting in asked["controllers"].values():
        setting["predicted"] = (predictor(tmp_path / "other", 3.0),)
    study = config.parse(asked)
    before = make_arms(study)[0].problem
    predictor(tmp_path / "latency_ms", 20.0)
    assert make_arms(study)[0].problem.max_cost > before.max_cost
    assert config.parse(asked).config.digest != study.config.digest


def test_the_config_of_this_machine_is_a_study(latency, tmp_path, monkeypatch):
    asked = autocomet_macro_device.get_config()
    asked.study.costs = asked.evaluator.predicted = (latency,)
    study = config.parse(asked.to_dict())
    assert len(make_arms(study)) == 3 * len(asked.controllers)
    monkeypatch.chdir(tmp_path)  # where nothing was fitted
    with pytest.raises(UserError, match="predictors/macro/saved/latency_ms: No such file"):
        config.parse(autocomet_macro_device.get_config().to_dict())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"predicted": ()}, "unknown cost '.*latency_ms' of config.study.costs.*evaluator.predic"),
        ({"costs": ("network/params_m",)}, r"evaluator.costs=\('network/params_m',\); .* \(\): st"),
        ({"predicted": ("nowhere",)}, "cannot read the predictor nowhere"),
    ],
)
def test_a_mistake_ends_in_one_line(latency, changed, message):
    asked = plain(latency)
    asked["evaluator"] |= changed
    with pytest.raises(UserError, match=message) as caught:
        make_arms(config.parse(asked))
    assert "\n" not in str(caught.value)
