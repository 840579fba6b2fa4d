"""TRL-HPO learns: where the best action is known it beats random search at equal queries.

The settings below also decided the default of `actor_state`; the method's README has the figures.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from nasjax import loop
from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.controller import make_trl_hpo
from nasjax.evaluation.trained.programs import OLDER_EMITTERS
from nasjax.rewards.accuracy import ProgressiveConfig, make_accuracy_gain
from nasjax.types import VALIDATE, Request
from tests.oracles.landscape import make_landscape
from tests.oracles.unit_box import UnitBox

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("optimised")]

SEEDS, ROUNDS, PERFORMANCE_SIZE = 20, 40, 4
SPACE = UnitBox(num_layers=6, action_size=4)
BEST = np.tile(np.array([0.1, 0.9, 0.2, 0.8], np.float32), (6, 1))
QUERIES = ROUNDS * 10 * 6  # rounds x models x layers; "predicted" asks for no back-up
CONFIG = TrlHpoConfig(
    backup="predicted",
    actor_state="both",
    updates_per_episode=40,
    batch_size=16,
    min_size=60,
    replay_capacity=2_000,
    actor_learning_rate=2e-4,
    critic_learning_rate=1e-2,
    target_rate=0.02,
    embed_size=16,
    num_heads=2,
    num_blocks=1,
    expansion=2,
    dropout=0.0,
    min_gain=None,
    min_accuracy=None,
    validate_every=1,
    patience=1_000,
)


def parts(config=CONFIG):
    request = Request(SPACE, PERFORMANCE_SIZE, rounds=ROUNDS, invalid_reward=-1.0)
    controller = make_trl_hpo(config, request)
    return {
        "controller": controller,
        "evaluator": make_landscape(
            SPACE, jnp.asarray(BEST), performance_size=PERFORMANCE_SIZE, top=0.9
        ),
        "reward": make_accuracy_gain(ProgressiveConfig()),
    }


def policy_worth(made, root_key, state):
    """[]: accuracy of the model that the noise-free policy builds now."""
    phase = made["controller"].round[-1]
    assert phase.name == "validate"
    for _ in range(phase.repeats):
        proposal, state = loop.propose(phase, root_key, state)
        outcome = made["evaluator"].evaluate(root_key, proposal)
        state = loop.absorb(phase, made["reward"], root_key, state, proposal, outcome)[0]
    return jnp.where(proposal.mask[0] & (proposal.purpose[0] == VALIDATE), outcome.accuracy[0], 0)


def random_expected_best(n, draws=200_000):
    """The expected best of n random architectures, from the order statistics of many draws.

    E max = sum_i v_(i) ((i / N)^n - ((i - 1) / N)^n), v_(i) the sorted values.
    """
    cells = np.random.default_rng(0).integers(0, 1000, (draws, 6, 4))
    values = np.sort(0.9 * (1 - np.abs((cells + 0.5) / 1000 - BEST)).mean((1, 2)))
    rank = np.arange(1, draws + 1) / draws
    return values @ (rank**n - (rank - 1 / draws) ** n)


@pytest.fixture(scope="module")
def learned():
    """[seeds] each: the final policy's worth, queries and updates. Seeds are shared by devices."""
    made = parts()

    def one(seed):
        root_key = jax.random.key(seed)
        state = loop.init(made["controller"], SPACE, root_key)
        state, _ = loop.run_compiled(**made, root_key=root_key, state=state, rounds=ROUNDS)
        updates = made["controller"].num_updates(state.controller)
        return policy_worth(made, root_key, state), state.queries, updates

    mesh, split = jax.make_mesh((jax.device_count(),), ("seeds",)), PartitionSpec("seeds")
    local = functools.partial(jax.lax.map, one)
    mapped = jax.shard_map(local, mesh=mesh, in_specs=split, out_specs=split, check_vma=False)
    seeds = jax.device_put(jnp.arange(SEEDS), NamedSharding(mesh, split))
    compiled = jax.jit(mapped).lower(seeds).compile(OLDER_EMITTERS)
    return jax.device_get(compiled(seeds))


def test_the_final_policy_beats_random_search_at_equal_queries_on_every_seed(learned):
    worth, queries, updates = learned
    np.testing.assert_array_equal(queries, QUERIES)
    np.testing.assert_array_equal(updates, ROUNDS * 40)
    yardstick = random_expected_best(QUERIES)
    assert 0.7 < yardstick < 0.75  # a random architecture is worth 0.56, the best one 0.9
    assert (worth > yardstick).sum() == SEEDS
