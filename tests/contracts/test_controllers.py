"""What every controller must do, on a table with missing entries and on chains of layers."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax import loop, registry
from nasjax.evaluation.table import Rows, TableConfig, make_table
from nasjax.runs.checkpoints import Checkpoints
from nasjax.spaces.layer_chain import LayerChain
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.types import OK, Evaluator, Outcome
from tests.witness import Witness

pytestmark = pytest.mark.usefixtures("unoptimised")

ROUNDS = 6
SMALL_TRL_HPO = {
    "name": "trl_hpo",
    "models_per_episode": 2,
    "updates_per_episode": 2,
    "batch_size": 4,
    "min_size": 12,
    "replay_capacity": 64,
    "min_gain": None,
    "min_accuracy": None,
    "validate_every": 2,
    "embed_size": 8,
    "num_heads": 2,
    "num_blocks": 1,
    "expansion": 2,
}
SMALL_AUTOCOMET = {
    "name": "autocomet",
    "secondaries": ("accuracy",),
    "credit": "gain",
    "schedule": "equation_3",
    "width": 8,
    "replays": 2,
    "attempts": 2,
    "validate_every": 2,
}
CONTROLLERS = {
    "autocomet": {"name": "autocomet", "secondaries": ("accuracy",), "width": 8},
    "autocomet_gain": SMALL_AUTOCOMET,
    "local_search": {"name": "local_search"},
    "metaqnn": {"name": "metaqnn", "replays": 5},
    "multi_agent": {"name": "multi_agent"},
    "random_search": {"name": "random_search", "models_per_round": 3},
    "regularized_evolution": {"name": "regularized_evolution", "population_size": 3},
    "reinforce": {"name": "reinforce", "models_per_update": 2, "learning_rate": 0.1},
    "trl_hpo": SMALL_TRL_HPO,
}
# Their numbers are sums of floats, which XLA may order otherwise in another program or under vmap.
# (The one program without vmap was bit-equal for all of them where that was tried, with AVX-512.)
FLOAT_LEARNERS = ("autocomet", "autocomet_gain", "metaqnn", "reinforce", "trl_hpo")
SPACE = NasBench201()


def test_every_controller_is_in_the_suite():
    assert {settings["name"] for settings in CONTROLLERS.values()} == set(registry.CONTROLLERS)


def holed_rows():
    """A table of random accuracies in which a third of the entries is missing."""
    rng = np.random.default_rng(0)
    accuracy = rng.uniform(0.1, 0.9, SPACE.size).astype(np.float32)
    accuracy[rng.random(SPACE.size) < 1 / 3] = np.nan
    return Rows(accuracy, accuracy, np.zeros((SPACE.size, 0), np.float32))


@functools.cache
def parts(label, space=SPACE):
    name = CONTROLLERS[label]["name"]
    reward = "accuracy_gain" if name == "trl_hpo" else "accuracy"
    _, settings = registry.parse_member("controller", CONTROLLERS[label])
    reward_cls, make_reward = registry.REWARDS[reward]
    request = registry.Request(space, 32, 16, -1.0, rounds=ROUNDS, max_queries=None)
    return {
        "controller": registry.CONTROLLERS[name][1](settings, request),
        "evaluator": make_table(holed_rows(), SPACE, TableConfig("cifar10")),
        "reward": make_reward(reward_cls()),
    }


def begin(made, seed=0, space=SPACE):
    return loop.init(made["controller"], space, jax.random.key(seed))


def run(made, state, rounds, seed=0):
    witness = Witness()
    state = loop.run(
        **made,
        root_key=jax.random.key(seed),
        state=state,
        config=loop.SearchConfig(rounds=rounds),
        observer=witness,
    )
    return state, witness.exchanges


def compiled(made, rounds):
    """(seed, state) -> the state after so many rounds, and architectures and masks by phase."""

    def go_on(seed, state):
        return loop.run_compiled(
            **made,
            root_key=jax.random.key(seed),
            state=state,
            rounds=rounds,
            keep=lambda state, proposal, outcome: (proposal.architecture, proposal.mask),
        )

    return go_on


def in_phases(made, exchanges):
    """The host loop's exchanges as `run_compiled` keeps them."""
    kept = []
    for phase in made["controller"].round:
        of = [e.proposal for e in exchanges if e.phase == phase.name]
        for leaf in ("architecture", "mask"):
            stacked = np.stack([getattr(p, leaf) for p in of])
            kept.append(stacked.reshape(-1, phase.repeats, *stacked.shape[1:]))
    return kept


@pytest.fixture(params=sorted(CONTROLLERS))
def label(request):
    return request.param


@pytest.fixture
def made(label):
    return parts(label)


@pytest.fixture(scope="module")
def hosted():
    """By label: the state and exchanges of the host loop."""
    return functools.cache(lambda label: run(parts(label), begin(parts(label)), ROUNDS))


def test_one_program_asks_for_what_the_host_loop_asks_for(label, made, hosted):
    looped, exchanges = hosted(label)
    state, kept = jax.jit(compiled(made, ROUNDS))(0, begin(made))
    chex.assert_trees_all_equal(jax.tree.leaves(kept), in_phases(made, exchanges))
    if label in FLOAT_LEARNERS:
        chex.assert_trees_all_close(state, looped, atol=1e-5)
    else:
        chex.assert_trees_all_equal(state, looped)


def test_many_seeds_ask_for_what_each_asks_for_alone(label, made):
    """Learners for some rounds only, until a last bit decides what is asked for next."""
    seeds, rounds = jnp.arange(3), 3 if label in FLOAT_LEARNERS else ROUNDS
    states = jax.vmap(lambda seed: begin(made, seed))(seeds)
    found, kept = jax.jit(jax.vmap(compiled(made, rounds)))(seeds, states)
    for seed in (0, 2):
        looped, exchanges = run(made, begin(made, seed), rounds, seed)
        of_seed = functools.partial(jax.tree.map, lambda leaf, seed=seed: leaf[seed])
        chex.assert_trees_all_equal(jax.tree.leaves(of_seed(kept)), in_phases(made, exchanges))
        if label in FLOAT_LEARNERS:
            chex.assert_trees_all_close(of_seed(found), looped, atol=1e-5)
        else:
            chex.assert_trees_all_equal(of_seed(found), looped)
    assert len({leaf.tobytes() for leaf in np.asarray(jax.tree.leaves(kept)[0])}) == 3


def test_going_on_from_a_checkpoint_is_never_having_stopped(label, made, hosted, tmp_path):
    looped, exchanges = hosted(label)
    half, _ = run(made, begin(made), ROUNDS // 2)
    checkpoints = Checkpoints(tmp_path, kept=1)
    checkpoints.save(ROUNDS // 2, half, 0)
    kept, _ = checkpoints.restore(begin(made), at_most=0)
    checkpoints.close()
    went_on, rest = run(made, kept, ROUNDS)
    chex.assert_trees_all_equal(went_on, looped)
    chex.assert_trees_all_equal(
        [e.proposal for e in rest], [e.proposal for e in exchanges[len(exchanges) // 2 :]]
    )


def test_missing_entries_are_outcomes_and_the_best_is_the_best_of_what_there_is(label, hosted):
    state, exchanges = hosted(label)
    chex.assert_tree_all_finite(state)
    mask = np.concatenate([e.proposal.mask for e in exchanges])
    status = np.concatenate([e.outcome.status for e in exchanges])[mask]
    accuracy = np.concatenate([e.outcome.accuracy for e in exchanges])[mask]
    assert 0 < (status == OK).sum() < len(status)
    assert float(state.best.accuracy) == accuracy[status == OK].max()
    validation = sum(int(e.proposal.mask.sum()) for e in exchanges if e.phase == "validate")
    assert int(state.queries) == mask.sum() - validation


def test_all_that_is_asked_for_is_valid(label, hosted):
    for exchange in hosted(label)[1]:
        asked = exchange.proposal.architecture[np.asarray(exchange.proposal.mask)]
        assert all(bool(SPACE.is_valid(architecture)) for architecture in asked)


CHAINS = LayerChain((12, 12, 1), 10)


NEEDS_SLOTS = {"autocomet", "autocomet_gain", "local_search"}


@pytest.mark.parametrize("label", sorted(set(CONTROLLERS) - NEEDS_SLOTS))
def test_chains_of_layers_are_grown_too(label):
    def evaluate(seed_key, proposal):
        """Worth more with more layers; what does not fit is invalid."""
        ok = jax.vmap(CHAINS.is_valid)(proposal.architecture)
        worth = jnp.where(ok, (proposal.architecture[..., 0] > 0).mean(-1), 0)
        rows = len(worth)
        return Outcome(
            jnp.broadcast_to(worth[:, None], (rows, 32)),
            worth,
            jnp.zeros((rows, 0)),
            jnp.where(ok, 0, 1).astype(jnp.int32),
        )

    made = parts(label, CHAINS) | {"evaluator": Evaluator(evaluate, pure=True)}
    state, exchanges = run(made, begin(made, space=CHAINS), 3)
    assert float(state.best.accuracy) > 0
    if label not in ("multi_agent", "trl_hpo"):  # they may ask for what does not fit
        for exchange in exchanges:
            asked = exchange.proposal.architecture[np.asarray(exchange.proposal.mask)]
            assert all(bool(CHAINS.is_valid(architecture)) for architecture in asked)
