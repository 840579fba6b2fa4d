"""Every evaluator keeps its contract, and the suite sees one that does not."""

import jax
import jax.numpy as jnp
import pytest

from nasjax import registry
from nasjax.contracts import check_evaluator
from nasjax.evaluation import surrogate
from nasjax.evaluation.table import TableConfig, make_table
from nasjax.evaluation.trained.evaluator import TrainedEvaluator
from tests.evaluation.trained import test_evaluator as tiny
from tests.oracles.landscape import make_landscape
from tests.oracles.unit_box import UnitBox
from tests.surrogates import Sums, keep_all

MEMBERS = ("surrogate", "table", "trained")


def test_every_evaluator_is_in_the_suite():
    assert set(MEMBERS) == set(registry.EVALUATORS)


def table(costs=("hw_nas_bench/pixel3_latency_ms",)):
    entry = registry.SPACES["nas_bench_201"]
    config = TableConfig("cifar10", costs)
    space = registry.slot_space("nas_bench_201")
    return make_table(entry.tables.load("cifar10", costs), space, config), space


@pytest.mark.long
def test_a_table_keeps_the_contract():
    made, space = table()
    check_evaluator(lambda: made, space, 32)


@pytest.mark.long
def test_surrogates_keep_the_contract(tmp_path):
    keep_all(tmp_path)
    costs = ("latency_ms", "size_m")
    config = surrogate.SurrogateConfig(data_set="sums", directory=str(tmp_path), costs=costs)
    read = surrogate.load(config, Sums(), registry.of_saved)
    predictors = tuple(each.predictor for each in (read.accuracy, *read.costs))
    seen = surrogate.seen_of(read)
    made = surrogate.make_surrogate(seen, predictors, Sums(), config)
    check_evaluator(lambda: made, Sums(), 32)


@pytest.mark.long
def test_training_keeps_the_contract():
    def make():
        return TrainedEvaluator(tiny.CONFIG, tiny.SPACE, tiny.DATA).evaluator()

    check_evaluator(make, tiny.SPACE, tiny.CONFIG.validation_batches)


SPACE = UnitBox(num_layers=2, action_size=2, levels=10)


def landscape(**changes):
    return make_landscape(SPACE, jnp.full((2, 2), 0.25), performance_size=3)._replace(**changes)


def test_a_landscape_keeps_the_contract():
    check_evaluator(landscape, SPACE, 3)


def by_position(seed_key, proposal):
    outcome = landscape().evaluate(seed_key, proposal)
    place = jnp.arange(len(outcome.accuracy)) / 100
    return outcome._replace(accuracy=jnp.where(outcome.ok, outcome.accuracy * (1 - place), 0))


def by_mates(seed_key, proposal):
    outcome = landscape().evaluate(seed_key, proposal)
    return outcome._replace(accuracy=outcome.accuracy * outcome.accuracy.mean())


def by_chance(seed_key, proposal):
    outcome = landscape().evaluate(seed_key, proposal)
    drawn = jax.random.uniform(seed_key, outcome.accuracies.shape)
    return outcome._replace(accuracies=jnp.where(outcome.ok[:, None], drawn, 0))


def by_mask(seed_key, proposal):
    outcome = landscape().evaluate(seed_key, proposal)
    return outcome._replace(accuracy=outcome.accuracy * proposal.mask.mean())


def of_nothing(seed_key, proposal):
    outcome = landscape().evaluate(seed_key, proposal)
    return outcome._replace(status=jnp.zeros_like(outcome.status))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluate": by_position}, "asked for twice must have the same accuracy"),
        ({"evaluate": by_mates}, "with other mates must have the same accuracy"),
        ({"evaluate": by_chance}, "asked for twice must have the same accuracies"),
        ({"evaluate": by_mask}, "beside masked ones must have the same accuracy"),
        ({"evaluate": of_nothing}, "without layers must be invalid"),
        ({"cost_names": ("latency_ms",)}, r"costs must be \(6, 1\), it is \(6, 0\)"),
        ({"provenance": lambda architecture: {"source": "trained"}}, "must cost nothing"),
    ],
)
def test_an_evaluator_that_breaks_the_contract_is_told_so(changes, message):
    with pytest.raises(AssertionError, match=message):
        check_evaluator(lambda: landscape(**changes), SPACE, 3)


def test_what_a_device_cannot_run_is_no_accuracy():
    made, space = table(("hw_nas_bench/edgetpu_latency_ms",))
    assert made.cost_names == ("hw_nas_bench/edgetpu_latency_ms",)
    check_evaluator(lambda: made, space, 32)
