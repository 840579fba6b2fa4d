"""The table evaluator: exact values, noise as promised, entries that are missing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from nasjax.errors import UserError
from nasjax.evaluation.table import Rows, TableConfig, draw_counts, make_table
from nasjax.spaces.slots import SlotSpace
from nasjax.types import INFEASIBLE, INVALID, OK, PROPOSE, Proposal

SPACE = SlotSpace(("a", "b"), num_layers=2, filler=0)
# aa, ab, ba, bb; ba is missing, bb cannot run on the device.
ACCURACY = np.array([0.25, 0.5, np.nan, 1.0], np.float32)
COSTS = np.array([[1.0], [2.0], [np.nan], [np.inf]], np.float32)
ROWS = Rows(ACCURACY, ACCURACY, COSTS)
ALL = jnp.array([[1, 1], [1, 2], [2, 1], [2, 2], [1, 0]])[..., None]


def evaluate(architectures=ALL, seed=0, **settings):
    rows = len(architectures)
    proposal = Proposal(
        architectures, jnp.ones(rows, bool), jnp.full(rows, PROPOSE), jnp.zeros((rows, 32))
    )
    config = TableConfig("some", **settings)
    return make_table(ROWS, SPACE, config).evaluate(jax.random.key(seed), proposal)


def test_without_noise_the_table_is_all_there_is():
    found = evaluate(noise=False)
    np.testing.assert_array_equal(found.accuracy, np.float32([0.25, 0.5, 0, 0, 0.25]))
    np.testing.assert_array_equal(found.accuracies, np.tile(found.accuracy[:, None], 32))
    np.testing.assert_array_equal(found.status, [OK, OK, INVALID, INFEASIBLE, OK])
    np.testing.assert_array_equal(found.ok, [True, True, False, False, True])
    np.testing.assert_array_equal(found.costs[:, 0], [1, 2, 0, np.inf, 1])


def test_noise_is_counts_drawn_once_per_seed_data_set_and_architecture():
    found = evaluate()
    counts = np.asarray(found.accuracies) * 16
    np.testing.assert_array_equal(counts, counts.round())
    np.testing.assert_array_equal(found.accuracy, evaluate(noise=False).accuracy)  # the signal
    np.testing.assert_array_equal(found.accuracies[0], found.accuracies[4])  # a prefix, closed
    np.testing.assert_array_equal(found.accuracies, evaluate().accuracies)
    np.testing.assert_array_equal(found.accuracies[1], evaluate(ALL[1:2]).accuracies[0])
    assert (found.accuracies[1] != evaluate(seed=1).accuracies[1]).any()
    assert (found.accuracies[0] != found.accuracies[1]).any()
    np.testing.assert_array_equal(found.accuracies[3], 0)  # nor does a device that cannot run it


def test_what_is_certain_stays_so():
    drawn = draw_counts(jax.random.key(0), jnp.float32(1), 1000, 16)
    np.testing.assert_array_equal(drawn, 16)


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.93])
def test_counts_are_binomial(rate):
    keys = jax.random.split(jax.random.key(1), 1000)
    drawn = jax.vmap(lambda key: draw_counts(key, jnp.float32(rate), 100, 16))(keys)
    observed = np.bincount(np.asarray(drawn).ravel(), minlength=17)
    expected = scipy.stats.binom.pmf(np.arange(17), 16, rate) * observed.sum()
    often = expected >= 5
    pooled = [[*values[often], values[~often].sum()] for values in (observed, expected)]
    pooled = [values if pooled[1][-1] >= 5 else values[:-1] for values in pooled]
    scale = sum(pooled[0]) / sum(pooled[1])
    # One false alarm in 10,000.
    assert scipy.stats.chisquare(pooled[0], np.array(pooled[1]) * scale).pvalue > 1e-4


def test_neither_impossible_nor_certain_accuracies_are_blurred():
    for rate, count in ((0.0, 0), (1.0, 16)):
        drawn = draw_counts(jax.random.key(0), jnp.float32(rate), 10_000, 16)
        np.testing.assert_array_equal(drawn, count)


def test_too_many_images_for_a_count_are_refused():
    with pytest.raises(
        UserError, match=r"evaluator.validation_batch_size=256; it must be from 1 to 255"
    ):
        TableConfig("some", validation_batch_size=256)
