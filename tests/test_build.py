"""What `search.max_cost` means to the parts, and costs that no search can use."""

import dataclasses

import numpy as np
import pytest

from nasjax import build
from nasjax.errors import UserError
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.types import Costs

LATENCY, PARAMS = "hw_nas_bench/pixel3_latency_ms", "network/params_m"


def settings(controller, reward="accuracy", costs=(LATENCY, PARAMS), **search):
    return build.parse(
        {
            "seed": 0,
            "space": {"name": "nas_bench_201"},
            "controller": controller,
            "evaluator": {"name": "table", "data_set": "cifar10", "costs": costs},
            "reward": {"name": reward} if isinstance(reward, str) else reward,
            "search": {"rounds": 3, **search},
        }
    )


COSTS = Costs((LATENCY, PARAMS), (10.0, 1.0))


def targets(*arguments, max_cost):
    """The targets of controller and reward, once the bound is known."""
    found = settings(*arguments, max_cost=max_cost)
    filled = [
        found.members[section].entry.with_max_cost(getattr(found, section), max_cost, COSTS)
        for section in ("controller", "reward")
    ]
    return tuple(getattr(config, "target", None) for config in filled)


@pytest.mark.parametrize("reward", ["weighted_product", "weighted_sum"])
def test_open_targets_are_the_limit(reward):
    autocomet = {"name": "autocomet"}
    assert targets(autocomet, reward, max_cost=7.0) == (7.0, 7.0)
    given = {**autocomet, "target": 3.0}, {"name": reward, "target": 4.0}
    assert targets(*given, max_cost=7.0) == (3.0, 4.0)
    assert targets({"name": "random_search"}, max_cost=7.0) == (None, None)


@pytest.mark.parametrize("reward", ["weighted_product", "weighted_sum"])
def test_without_a_bound_an_open_target_stays_open_and_is_refused(reward):
    with pytest.raises(UserError, match="reward.target=None; it must be a number"):
        build.assemble(settings({"name": "random_search"}, reward))


@pytest.mark.parametrize(
    ("choice", "target"),
    [
        ({"secondaries": (PARAMS, LATENCY)}, None),  # its target is of the parameters
        ({"secondaries": ("accuracy", LATENCY)}, 7.0),
        ({"primary": LATENCY}, None),
        ({"secondary_reward": "cost"}, None),
    ],
)
def test_the_limit_is_no_target_of_another_cost(choice, target):
    assert targets({"name": "autocomet", **choice}, max_cost=7.0)[0] == target


def predictor(directory, cost, slope=0.0):
    """One that predicts the same cost of every architecture; with a slope, more for more macs."""
    space = NasBench201()
    zeros = np.zeros(len(space.feature_names), np.float32)
    is_macs = np.array(space.feature_names) == "macs"
    params = {
        "center": zeros,
        "scale": np.where(is_macs, 1.5e7, 1e15).astype(np.float32),  # nothing else counts
        "vectors": zeros[None],
        "weights": np.float32([-slope]),
        "offset": np.float32(cost),
    }
    facts = {"data_set": "cifar10"}
    page = Saved("support_vectors", {}, "latency_ms", space.feature_names, params, facts)
    saved.save(directory, page)
    return str(directory)


def test_a_run_knows_which_predictors_it_reads(tmp_path):
    made = settings({"name": "random_search"}, costs=())
    assert build.resolved(made, NasBench201())["evaluator"]["digest"] is None
    digests = []
    for cost in (1.0, 2.0, 1.0):
        predicted = (predictor(tmp_path / "predictor", cost),)
        evaluator = dataclasses.replace(made.evaluator, predicted=predicted)
        plain = build.resolved(made._replace(evaluator=evaluator), NasBench201())
        digests.append(plain["evaluator"]["digest"])
    assert digests[0] == digests[2] != digests[1]
    stale = dataclasses.replace(evaluator, digest=digests[1])
    with pytest.raises(UserError, match=f"evaluator.digest='{digests[1]}'; .*{digests[0]}"):
        build.resolved(made._replace(evaluator=stale), NasBench201())


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (np.nan, "config.evaluator.predicted=.* are NaN for 15,625 of them"),
        (np.inf, "config.evaluator.costs=.*predictor.*; it must be costs that are finite"),
    ],
)
def test_costs_that_no_search_can_use_are_one_line(tmp_path, cost, words):
    made = settings({"name": "random_search"}, costs=())
    predicted = (predictor(tmp_path / "predictor", cost),)
    evaluator = dataclasses.replace(made.evaluator, predicted=predicted)
    with pytest.raises(UserError, match=words):
        build.assemble(made._replace(evaluator=evaluator))
