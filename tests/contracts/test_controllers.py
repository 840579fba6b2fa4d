"""Every controller keeps its contract, on a table with missing entries and on chains of layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax import registry
from nasjax.contracts import check_controller
from nasjax.contracts.controllers import begin, make_parts, run
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import Evaluator, Outcome

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


SLOW = ("autocomet", "autocomet_gain", "metaqnn", "multi_agent", "reinforce", "trl_hpo")


def test_every_controller_is_in_the_suite():
    assert {settings["name"] for settings in CONTROLLERS.values()} == set(registry.CONTROLLERS)


def labels(names):
    """Labels as parameters; the slow learners are tried among the long tests."""
    slow = pytest.mark.long
    return [pytest.param(name, marks=slow if name in SLOW else ()) for name in sorted(names)]


def given(label):
    """Entry, settings and reward."""
    settings = dict(CONTROLLERS[label])
    name = settings.pop("name")
    reward = "accuracy_gain" if name == "trl_hpo" else "accuracy"
    return registry.CONTROLLERS[name], settings, reward


@pytest.mark.parametrize("label", labels(CONTROLLERS))
def test_it_asks_for_the_same_on_the_host_compiled_for_many_seeds_and_resumed(label):
    entry, settings, reward = given(label)
    check_controller(entry, settings, reward=reward, is_exact=label not in FLOAT_LEARNERS)


CHAINS = LayerChain((12, 12, 1), 10)
is_valid = jax.jit(jax.vmap(CHAINS.is_valid))
NEEDS_SLOTS = {"autocomet", "autocomet_gain", "local_search"}


@pytest.mark.long
@pytest.mark.parametrize("label", sorted(CONTROLLERS.keys() - NEEDS_SLOTS))
def test_chains_of_layers_are_grown_too(label):
    def evaluate(seed_key, proposal):
        """Worth more with more layers; what does not fit is invalid."""
        ok = is_valid(proposal.architecture)
        worth = jnp.where(ok, (proposal.architecture[..., 0] > 0).mean(-1), 0)
        rows = len(worth)
        return Outcome(
            jnp.broadcast_to(worth[:, None], (rows, 32)),
            worth,
            jnp.zeros((rows, 0)),
            jnp.where(ok, 0, 1).astype(jnp.int32),
        )

    entry, settings, reward = given(label)
    worth = Evaluator(jax.jit(evaluate), pure=True)
    parts = make_parts(entry, settings, reward=reward, space=CHAINS, evaluator=worth)
    state, exchanges = run(parts, begin(parts, 0), 3)
    assert float(state.best.accuracy) > 0
    if label not in ("multi_agent", "trl_hpo"):  # they may ask for what does not fit
        for exchange in exchanges:
            asked = exchange.proposal.architecture[np.asarray(exchange.proposal.mask)]
            assert is_valid(asked).all()
