"""Cohorts, lanes, reuse and outcomes of the trained evaluator, on a tiny data set."""

import dataclasses
import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nasjax.data.datasets import SearchData, Split
from nasjax.errors import UserError
from nasjax.evaluation.trained import cohorts, network, programs, training
from nasjax.evaluation.trained.cohorts import TrainedConfig
from nasjax.evaluation.trained.evaluation import remember_records
from nasjax.evaluation.trained.evaluator import TrainedEvaluator
from nasjax.evaluation.trained.memory import lane_bytes
from nasjax.evaluation.trained.store import ResultStore
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import DIVERGED, GROW, INVALID, OK, OVER_MEMORY, STOPPED, Proposal
from tests.evaluation.trained.test_parity import to_layers

SHAPE, CLASSES = (6, 6, 1), 3
SPACE = LayerChain(SHAPE, CLASSES)
CONFIG = TrainedConfig(
    epochs=2,
    batch_size=8,
    learning_rate=1e-2,
    validation_batches=4,
    validation_batch_size=8,
    lanes=3,
    fc_widths=(32,),
    workers=1,
    compilation="quick",
)
SEED_KEY = jax.random.key(7)


def tiny_data():
    """Three classes told apart by which rows are bright, with noise: a net learns it quickly."""
    rng = np.random.default_rng(0)

    def split(size):
        labels = np.arange(size, dtype=np.int32) % CLASSES
        images = rng.normal(size=(size, *SHAPE)).astype(np.float32)
        images[np.arange(size), 2 * labels] += 1.5
        return Split(images, labels)

    return SearchData(split(48), split(40), CLASSES, "tiny")


DATA = tiny_data()


def fc_chain(neurons, activation="relu", bias=True):
    layers = [
        {"kind": "conv", "filters": 8, "kernel": 3, "stride": 2},
        {"kind": "fc", "neurons": neurons, "bias": bias, "activation": activation},
    ]
    return SPACE.from_layers(layers)


def proposal(*architectures, mask=None):
    rows = len(architectures)
    return Proposal(
        architecture=jnp.asarray(np.stack(architectures)),
        mask=jnp.ones(rows, bool) if mask is None else jnp.asarray(mask),
        purpose=jnp.full(rows, GROW, jnp.int32),
        baseline=jnp.zeros((rows, 4)),
    )


@pytest.fixture(scope="module")
def evaluator():
    return TrainedEvaluator(CONFIG, SPACE, DATA)


def fresh(evaluator, **changes):
    """An evaluator that remembers no result but keeps the compiled programs."""
    other = TrainedEvaluator(dataclasses.replace(CONFIG, **changes), SPACE, DATA)
    other._trainer = evaluator._trainer
    return other


def compiled_plans(evaluator):
    return [plan for plan, *_ in evaluator._trainer[1].programs.compiled]


@pytest.mark.long
def test_other_mates_and_lane_positions_change_no_bit(evaluator):
    one, two, three = fc_chain(16), fc_chain(24, "tanh"), fc_chain(32, "gelu", bias=False)
    first = evaluator.evaluate(SEED_KEY, proposal(one, two, three))
    turned = fresh(evaluator).evaluate(SEED_KEY, proposal(three, one, two))
    alone = fresh(evaluator).evaluate(SEED_KEY, proposal(one))
    for name in ("accuracies", "accuracy"):
        values = getattr(first, name)
        np.testing.assert_array_equal(values, getattr(turned, name)[jnp.array([1, 2, 0])])
        np.testing.assert_array_equal(values[:1], getattr(alone, name))
    assert len(compiled_plans(evaluator)) == 1  # three widths and activations, one program


@pytest.mark.long
def test_trained_parameters_are_bit_equal_in_every_lane_and_near_the_unbatched_net():
    architectures = [fc_chain(16), fc_chain(24, "tanh"), fc_chain(32, "sigmoid", bias=False)]
    order = jnp.asarray(training.batch_order(SEED_KEY, CONFIG, 48))
    images, labels = training.chunked(*DATA.validation)
    arrays = (*DATA.train, images, labels, order)
    data = training.DeviceData(*map(jnp.asarray, arrays))
    plan = network.make_plan(architectures[0], 1, (), (32,))[0]
    count = network.num_params(plan, SHAPE, CLASSES)
    draws = [training.initial_draws(SEED_KEY, i, count) for i in range(3)]
    traits = [network.make_plan(a, 1, (), (32,))[1] for a in architectures]

    def one_lane(i):
        return network.init(draws[i], plan, traits[i], SHAPE, CLASSES)

    fit = jax.jit(lambda p, t: training.fit(p, plan, t, data, CONFIG)[0])

    def lanes(order):
        params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(one_lane, order))
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(traits[i] for i in order))
        return fit(params, stacked)

    straight, turned = lanes([0, 1, 2]), lanes([2, 0, 0])
    for a, b in zip(jax.tree.leaves(straight), jax.tree.leaves(turned), strict=True):
        np.testing.assert_array_equal(a[0], b[1])
        np.testing.assert_array_equal(a[0], b[2])
        np.testing.assert_array_equal(a[2], b[0])
    for i in range(3):
        alone = train_unbatched(one_lane(i), plan, traits[i], order)
        for a, b in zip(jax.tree.leaves(straight), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-5)


def train_unbatched(params, plan, traits, order):
    """One net alone, step by step: no lanes, no scan."""
    optimizer = optax.adam(CONFIG.learning_rate)

    @jax.jit
    def step(params, state, images, labels):
        gradients = jax.grad(training.loss_fn)(params, images, labels, plan, traits)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for batch in np.asarray(order):
        params, state = step(params, state, DATA.train.images[batch], DATA.train.labels[batch])
    return params


def test_accuracies_are_counts_of_the_fixed_batches(evaluator):
    outcome = evaluator.evaluate(SEED_KEY, proposal(fc_chain(16)))
    counts = np.asarray(outcome.accuracies[0]) * 8
    np.testing.assert_array_equal(counts, np.rint(counts))
    # 4 batches of 8 are the first 32 of 40 validation images: the other 8 add 0 to 8 correct ones.
    rest = float(outcome.accuracy[0]) * 40 - counts.sum()
    assert -1e-4 <= rest <= 8 + 1e-4
    assert outcome.accuracy[0] > 0.8  # a third would be chance


def test_a_repeated_architecture_is_trained_once(evaluator):
    trained = []
    other = fresh(evaluator)
    other._on_result = lambda: trained.append(1)
    outcome = other.evaluate(SEED_KEY, proposal(fc_chain(16), fc_chain(16)))
    other.evaluate(SEED_KEY, proposal(fc_chain(16)))
    assert len(trained) == 1
    np.testing.assert_array_equal(outcome.accuracies[0], outcome.accuracies[1])
    assert other.provenance(fc_chain(16))["source"] == "run"


def test_the_next_run_finds_results_in_the_store(evaluator, tmp_path):
    store = ResultStore(tmp_path / "results.sqlite")
    first, second = fresh(evaluator), fresh(evaluator)
    first._store = second._store = store
    before = first.evaluate(SEED_KEY, proposal(fc_chain(16)))
    assert first.provenance(fc_chain(16))["source"] == "trained"
    after = second.evaluate(SEED_KEY, proposal(fc_chain(16)))
    assert second.provenance(fc_chain(16))["source"] == "store"
    np.testing.assert_array_equal(before.accuracies, after.accuracies)
    third = fresh(evaluator)
    third._store = store
    third.evaluate(jax.random.key(8), proposal(fc_chain(16)))  # another seed: another result
    assert third.provenance(fc_chain(16))["source"] == "trained"


def test_only_the_latest_programs_are_kept(monkeypatch):
    monkeypatch.setattr(programs, "PROGRAMS_KEPT", 1)
    evaluator = TrainedEvaluator(CONFIG, SPACE, DATA)
    first, second = fc_chain(16), fc_chain(48)  # 48 is above the last rung: a plan of its own
    evaluator.evaluate(SEED_KEY, proposal(first))
    evaluator.evaluate(SEED_KEY, proposal(second))
    assert compiled_plans(evaluator) == [network.make_plan(second, 1, (), (32,))[0]]


def test_a_stopped_candidate_of_a_runs_own_records_is_known_when_it_goes_on(evaluator):
    other = fresh(evaluator)
    other._on_result = lambda: pytest.fail("something was trained")
    row = SimpleNamespace(status="stopped", counts=[1, 2, 3, 4], accuracy=0.3)
    row.encoding = fc_chain(16).tolist()
    remember_records(other, [row], images=40)
    outcome = other.evaluate(SEED_KEY, proposal(fc_chain(16)))
    assert outcome.status[0] == STOPPED and outcome.ok[0]
    np.testing.assert_allclose(outcome.accuracies[0], np.array([1, 2, 3, 4]) / 8)
    np.testing.assert_allclose(outcome.accuracy[0], 0.3)  # 12 of 40


def test_masked_and_invalid_rows_cost_nothing(evaluator):
    too_large = SPACE.from_layers([{"kind": "conv", "filters": 8, "kernel": 7, "stride": 1}])
    unseen = fc_chain(504)
    other = fresh(evaluator)
    other._on_result = lambda: pytest.fail("something was trained")
    outcome = other.evaluate(SEED_KEY, proposal(too_large, unseen, mask=[True, False]))
    np.testing.assert_array_equal(outcome.status, [INVALID, INVALID])
    np.testing.assert_array_equal(outcome.accuracies, 0)


def test_a_diverging_candidate_is_an_outcome_and_harms_no_mate(evaluator):
    # A learning rate this high overflows float32 within a few steps of a linear net.
    config = dataclasses.replace(CONFIG, learning_rate=1e30)
    outcome = TrainedEvaluator(config, SPACE, DATA).evaluate(
        SEED_KEY, proposal(fc_chain(16, "none"))
    )
    assert outcome.status[0] == DIVERGED
    assert outcome.accuracy[0] == 0


def test_a_candidate_over_the_memory_budget_is_an_outcome():
    plan = network.make_plan(fc_chain(16), 1)[0]
    needed = lane_bytes(plan, SHAPE, CLASSES, CONFIG.batch_size)
    small = dataclasses.replace(CONFIG, memory_budget_gib=0.9 * needed / 2**30, fc_widths=())
    outcome = TrainedEvaluator(small, SPACE, DATA).evaluate(SEED_KEY, proposal(fc_chain(16)))
    assert outcome.status[0] == OVER_MEMORY
    # Twice the memory of a lane and a half: one lane instead of three.
    some = dataclasses.replace(small, memory_budget_gib=1.5 * needed / 2**30)
    assert cohorts.num_lanes(plan, SPACE, some) == 1


def test_estimated_memory_counts_weights_gradients_and_moments(way):
    # fc 16 on conv 8 k3 s2 of 6x6: 2x2x8 = 32 inputs. Parameters 80 + 528 + 51 = 659.
    # Training: 7 x 659 + 2 x batch 8 x activations; conv patches 9 x 2 x 2 = 36, output 32;
    # fc input 32, output 16: 116 -> 4613 + 1856 = 6469. Measuring: 659 + 128 x (36 + 36 + 32)
    # = 13971 values, the larger one, in bytes x 4. The kernels have no patches: measuring is
    # largest at the fc, 659 + 128 x (32 + 32 + 16) = 10899.
    plan = network.make_plan(fc_chain(16), 1)[0]
    values = 10899 if way == "kernels" else 13971
    assert lane_bytes(plan, SHAPE, CLASSES, 8) == 4 * values


@pytest.mark.parametrize(
    "layers",
    [
        [("conv", 128, 3, 1), ("conv", 8, 5, 1)],  # few filters after many channels
        [("conv", 64, 3, 1), ("pool", 8, 1, 3)],
        [("conv", 128, 5, 1), ("fc", 512, True, "relu")],
    ],
)
def test_estimated_memory_is_near_what_xla_allots(layers):
    shape = (20, 20, 1)
    chain = LayerChain(shape, CLASSES).from_layers(to_layers(layers))
    plan, traits = network.make_plan(chain, 1)
    count = network.num_params(plan, shape, CLASSES)
    params = network.init(np.zeros(count, np.float32), plan, traits, shape, CLASSES)
    lane = jax.tree.map(lambda leaf: leaf[None], (params, traits))
    images, labels = jnp.zeros((128, *shape)), jnp.zeros(128, jnp.int32)
    order = jnp.zeros((4, 16), jnp.int32)
    data = training.DeviceData(images, labels, images[None], labels[None], order)
    recipe = training.Recipe(validation_batches=8)
    train = functools.partial(training.train_and_measure, plan=plan, recipe=recipe)
    allotted = jax.jit(train).lower(*lane, data).compile().memory_analysis().temp_size_in_bytes
    assert 0.5 < (allotted + 4 * count) / lane_bytes(plan, shape, CLASSES, 16) < 1.2


def test_batches_are_permutations_shared_by_all_candidates():
    order = training.batch_order(SEED_KEY, CONFIG, 50)
    assert order.shape == (12, 8)  # 6 whole batches of 50 images, twice
    for epoch in (order[:6], order[6:]):
        assert len(np.unique(epoch)) == 48
    assert (order[:6] != order[6:]).any()


def test_too_few_validation_images_are_refused():
    config = dataclasses.replace(CONFIG, validation_batches=6)  # 6 x 8 = 48 > 40
    with pytest.raises(UserError, match=r"data.validation_size=40"):
        TrainedEvaluator(config, SPACE, DATA)


def test_ok_rows_are_ok(evaluator):
    assert evaluator.evaluate(SEED_KEY, proposal(fc_chain(16))).status[0] == OK
