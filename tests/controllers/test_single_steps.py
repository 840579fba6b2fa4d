"""One proposal or one update of methods that propose whole architectures, in worked numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.controllers.local_search.controller import LocalSearchConfig, make_local_search
from nasjax.controllers.metaqnn.controller import MetaqnnConfig, make_metaqnn
from nasjax.controllers.multi_agent.controller import MultiAgentConfig, make_multi_agent
from nasjax.controllers.proposals import propose_whole
from nasjax.controllers.regularized_evolution.controller import (
    RegularizedEvolutionConfig,
    make_regularized_evolution,
)
from nasjax.controllers.reinforce.controller import ReinforceConfig, make_reinforce
from nasjax.controllers.sequences import Sequence
from nasjax.spaces.slots import SlotSpace
from nasjax.types import INVALID, OK, PROPOSE, Outcome, Request

SPACE = SlotSpace(("a", "b", "c"), num_layers=4, filler=0)
DRAWS = 4000
CLOSE = 0.04  # five standard deviations of a share of 4,000, or more


def begin(controller):
    return controller.init(jax.random.key(0))


def draw(phase, state):
    """[DRAWS, B, L]: operations from 0, as so many keys have them proposed from one state."""
    keys = jax.random.split(jax.random.key(1), DRAWS)
    proposals, _ = jax.jit(jax.vmap(phase.propose, (0, None)))(keys, state)
    return np.asarray(proposals.architecture)[..., 0] - 1


def test_a_whole_architecture_is_a_query_without_a_baseline():
    architecture = jnp.ones((2, 4, 1), jnp.int32)
    proposal = propose_whole(architecture, 3, jnp.array([True, False]))
    assert proposal.purpose.tolist() == [PROPOSE] * 2
    assert proposal.mask.tolist() == [True, False]
    np.testing.assert_array_equal(proposal.baseline, np.zeros((2, 3)))


def test_any_neighbour_may_be_the_first_that_is_asked_for():
    controller = make_local_search(LocalSearchConfig(), Request(SPACE, 1, rounds=1))
    rows = draw(controller.round[1], begin(controller))  # of aaaa
    assert ((rows != 0).sum(2) == 1).all()
    first = (rows[:, 0] * [1, 10, 100, 1000]).sum(1)
    neighbours, counts = np.unique(first, return_counts=True)
    assert neighbours.tolist() == [1, 2, 10, 20, 100, 200, 1000, 2000]
    np.testing.assert_allclose(counts / DRAWS, np.full(8, 1 / 8), atol=CLOSE)


def test_a_climb_goes_to_the_best_of_what_was_asked_for_and_built():
    controller = make_local_search(LocalSearchConfig(), Request(SPACE, 1, rounds=1))
    phase, state = controller.round[1], begin(controller).replace(reward=jnp.float32(0.3))
    proposal, _ = phase.propose(jax.random.key(1), state)
    proposal = proposal._replace(mask=jnp.arange(8) != 1)
    status = jnp.where(jnp.arange(8) == 0, INVALID, OK)
    nothing = jnp.zeros((8, 0))
    rewards = jnp.array([0.9, 0.8, 0.2, 0.7, 0.6, 0.1, 0.2, 0.3])  # the first two do not count
    outcome = Outcome(nothing, rewards, nothing, status)
    state, _ = phase.update(jax.random.key(2), state, proposal, outcome, rewards)
    np.testing.assert_array_equal(state.architecture, proposal.architecture[3])
    assert state.reward == np.float32(0.7) and not state.restart


def test_a_parent_is_the_best_of_a_sample_with_replacement():
    # The k-th best of P wins with probability ((P - k + 1)^S - (P - k)^S) / P^S: for P = 3 and
    # S = 2 these are 5/9, 3/9, 1/9.
    config = RegularizedEvolutionConfig(population_size=3, sample_size=2)
    controller = make_regularized_evolution(config, Request(SPACE, 1, rounds=1))
    state = begin(controller).replace(
        architecture=jnp.tile(jnp.array([1, 2, 3])[:, None, None], (1, 4, 1)),
        reward=jnp.array([0.2, 0.9, 0.5]),
        born=jnp.int32(7),
    )
    # Three of a child's four operations are its parent's, so the second smallest is one of them.
    parents = np.sort(draw(controller.round[0], state)[:, 0])[:, 1]
    shares = np.bincount(parents, minlength=3) / DRAWS
    np.testing.assert_allclose(shares, [1 / 9, 5 / 9, 3 / 9], atol=CLOSE)


def test_the_population_remembers_what_was_earned():
    config = RegularizedEvolutionConfig(population_size=2)
    controller = make_regularized_evolution(config, Request(SPACE, 1, rounds=1))
    phase, state = controller.round[0], begin(controller)
    for reward in (-0.5, 0.25, -2.0):
        proposal, state = phase.propose(jax.random.key(1), state)
        # No outcome: the reward alone counts.
        state, _ = phase.update(jax.random.key(2), state, proposal, None, jnp.array([reward]))
    assert sorted(state.reward.tolist()) == [-2.0, 0.25]


def adam(parameters, gradients, rate):
    """Kingma and Ba, 2015, Algorithm 1, over a list of gradients."""
    mean, square = np.zeros_like(parameters), np.zeros_like(parameters)
    for step, gradient in enumerate(gradients, 1):
        mean = 0.9 * mean + 0.1 * gradient(parameters)
        square = 0.999 * square + 0.001 * gradient(parameters) ** 2
        corrected = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        parameters = parameters - rate * mean / (1 - 0.9**step) / corrected
    return parameters


@pytest.mark.long
def test_reinforce_with_two_models_an_update_equals_plain_numpy():
    config = ReinforceConfig(learning_rate=0.3, baseline_momentum=0.6, models_per_update=2)
    controller = make_reinforce(config, Request(SPACE, 1, rounds=1))
    phase, state = controller.round[0], begin(controller)
    choices = np.array([[[0, 1, 2, 0], [0, 0, 1, 2]], [[2, 1, 0, 0], [0, 2, 2, 1]], [[1] * 4] * 2])
    rewards = np.array([[0.5, 0.9], [0.2, -0.4], [0.7, 0.6]])
    # b: 0.7; (0.6 * 0.7 + 1 * -0.1) / 1.6 = 0.2; (0.36 * 0.7 + 0.6 * -0.1 + 0.65) / 1.96
    baselines = [0.7, 0.2, 0.842 / 1.96]
    allowed = jnp.ones((2, 4, 4), bool).at[..., 3].set(False)
    for drawn, earned, baseline in zip(choices, rewards, baselines, strict=True):
        built = jnp.zeros((2, 4, 1), jnp.int32)
        state = state.replace(drawn=Sequence(jnp.asarray(drawn), allowed, built))
        state, metrics = phase.update(jax.random.key(1), state, None, None, jnp.float32(earned))
        assert metrics["baseline"] == pytest.approx(baseline, abs=1e-6)

    def gradient(drawn, earned, baseline):
        def of(logits):
            # d (- (r - b) log pi) / d logit = (r - b) (share - chosen)
            shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            terms = [
                (r - baseline) * (shares - np.eye(3)[c]) for c, r in zip(drawn, earned, strict=True)
            ]
            return np.mean(terms, 0)

        return of

    steps = [gradient(*step) for step in zip(choices, rewards, baselines, strict=True)]
    np.testing.assert_allclose(state.logits[:, :3], adam(np.zeros((4, 3)), steps, 0.3), atol=1e-4)
    assert int(controller.num_updates(state)) == 3


@pytest.mark.parametrize(
    ("models", "epsilon"), [(0, 1.0), (14, 1.0), (15, 0.9), (18, 0.6), (26, 0.1), (99, 0.1)]
)
def test_metaqnn_takes_the_best_but_for_epsilon_of_the_schedule(models, epsilon):
    # Of 27 networks 15 are random, then 1 each at 0.9, 0.8, 0.7, then 1.5 each at 0.6 to 0.1.
    controller = make_metaqnn(MetaqnnConfig(), Request(SPACE, 1, rounds=27))
    state = begin(controller)
    # After an a the best is b, after b c, after c a; at the start it is c.
    values = state.values
    for previous, best in ((0, 1), (1, 2), (2, 0), (3, 2)):
        values = values.at[:, previous, best].set(0.6)
    state = state.replace(values=values, models=jnp.int32(models))
    drawn = draw(controller.round[0], state)[:, 0]
    wanted = np.concatenate([np.full((DRAWS, 1), 2), (drawn[:, :-1] + 1) % 3], axis=1)
    shares = (drawn == wanted).mean(0)
    np.testing.assert_allclose(shares, np.full(4, 1 - epsilon + epsilon / 3), atol=CLOSE)


def test_equals_are_drawn_alike():
    controller = make_metaqnn(MetaqnnConfig(), Request(SPACE, 1, rounds=27))
    state = begin(controller).replace(models=jnp.int32(26))  # epsilon 0.1
    shares = np.stack([(draw(controller.round[0], state) == i).mean((0, 1)) for i in range(3)])
    np.testing.assert_allclose(shares, np.full((3, 4), 1 / 3), atol=CLOSE)


def remember(controller, networks, rewards):
    """The state after these networks, each an operation in all slots."""
    phase, state = controller.round[0], begin(controller)
    for step, (network, reward) in enumerate(zip(networks, rewards, strict=True)):
        state = state.replace(chosen=jnp.full(4, network, jnp.int32))
        state, _ = phase.update(jax.random.key(step), state, None, None, jnp.array([reward]))
    return state


def test_a_network_is_replayed_as_often_as_set():
    # Q of the last layer goes half the way to 1 three times: 1 - 0.75 / 8 = 0.90625.
    config = MetaqnnConfig(learning_rate=0.5, initial_value=0.25, replays=3)
    controller = make_metaqnn(config, Request(SPACE, 1, rounds=27))
    assert (begin(controller).values == 0.25).all()
    state = remember(controller, [1], [1.0])
    assert float(state.values[3, 1, 1]) == 0.90625


def test_the_newest_network_is_among_those_replayed():
    controller = make_metaqnn(MetaqnnConfig(replays=30), Request(SPACE, 1, rounds=27))
    state = remember(controller, [0, 1], [0.9, 0.8])
    # Thirty of two miss one of them once in 500 million.
    assert float(state.values[3, 0, 0]) > 0.5 and float(state.values[3, 1, 1]) > 0.5


def test_a_full_memory_forgets_the_oldest_network():
    controller = make_metaqnn(MetaqnnConfig(), Request(SPACE, 1, rounds=2))
    state = remember(controller, [0, 1, 2], [0.9, 0.8, 0.7])
    kept = {
        (int(c[0]), round(float(r), 3)) for c, r in zip(state.choices, state.rewards, strict=True)
    }
    assert kept == {(1, 0.8), (2, 0.7)}


def agents(**settings):
    # 50 queries are 10 rounds of four agents and their master.
    return make_multi_agent(
        MultiAgentConfig(**settings), Request(SPACE, 1, rounds=50, max_queries=50)
    )


@pytest.mark.parametrize(("rounds", "epsilon"), [(0, 0.8), (3, 0.6), (9, 0.2), (20, 0.2)])
def test_agents_try_their_best_but_for_an_epsilon_that_falls_over_the_budget(rounds, epsilon):
    controller = agents(first_epsilon=0.8, last_epsilon=0.2)
    state = begin(controller)
    # What is not allowed, to end here, is worth most.
    values = state.values.at[:, 1].set(0.5).at[:, 3].set(0.9)
    state = state.replace(values=values, round=jnp.int32(rounds))
    trials = draw(controller.round[0], state)
    shares = (trials[:, np.arange(4), np.arange(4)] == 1).mean(0)
    np.testing.assert_allclose(shares, np.full(4, 1 - epsilon + epsilon / 3), atol=CLOSE)


def test_the_master_starts_anywhere():
    keys = jax.random.split(jax.random.key(1), DRAWS)
    masters = jax.jit(jax.vmap(lambda key: agents().init(key).master))(keys)
    shares = np.stack([(masters == i).mean(0) for i in range(3)])
    np.testing.assert_allclose(shares, np.full((3, 4), 1 / 3), atol=CLOSE)


def test_the_master_takes_any_first_reward_and_then_only_what_is_better():
    controller = agents()
    phase, state = controller.round[1], begin(controller)
    for combined, reward, master in ((0, -1.0, 0), (1, -1.0, 0), (2, -0.5, 2), (1, -0.7, 2)):
        state = state.replace(combined=jnp.full(4, combined, jnp.int32))
        state, _ = phase.update(jax.random.key(1), state, None, None, jnp.array([reward]))
        assert state.master.tolist() == [master] * 4
    assert int(controller.num_updates(state)) == 4 * 4  # four agents have learned in each round


def test_agents_learn_from_what_was_earned():
    controller = agents(learning_rate=0.5)
    state = begin(controller).replace(chosen=jnp.array([0, 1, 2, 0]))
    rewards = jnp.array([-1.0, 0.5, 0.25, 0.0])
    # No outcome: the reward alone counts.
    state, _ = controller.round[0].update(jax.random.key(1), state, None, None, rewards)
    expected = np.zeros((4, 4))
    expected[0, 0], expected[1, 1], expected[2, 2] = -0.5, 0.25, 0.125
    np.testing.assert_array_equal(state.values, expected)
