"""The phases of TRL-HPO, worked by hand: what is grown, kept, backed up, validated, and when.

The target actor's weights are zeros, so that it asks for 0.5 whatever it sees: of three operations
the second one.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.controller import make_trl_hpo
from nasjax.spaces.slots import SlotSpace
from nasjax.types import BACKUP, GROW, INVALID, OK, VALIDATE, Outcome, Request

SPACE = SlotSpace(("a", "b", "c"), num_layers=3, filler=0)
BATCHES, IMAGES = 4, 41
CONFIG = TrlHpoConfig(
    models_per_episode=3,
    batch_size=64,
    min_size=7,
    replay_capacity=10,
    discount=0.9,
    noise_theta=0.5,
    noise_sigma=0.0,
    noisy_rounds=2,
    network="mlp",
    embed_size=4,
    num_heads=1,
    num_blocks=1,
    expansion=1,
    dropout=0.0,
    min_gain=0.001,
    min_accuracy=None,
    validate_every=2,
    patience=4,
)


@functools.cache
def controller():
    request = Request(SPACE, BATCHES, rounds=10, counts_of=IMAGES, invalid_reward=-1.0)
    return make_trl_hpo(CONFIG, request)


@functools.cache
def phases():
    """By name: propose and update."""
    return {p.name: (jax.jit(p.propose), jax.jit(p.update)) for p in controller().round}


@functools.cache
def begin():
    state = jax.jit(controller().init)(jax.random.key(0))
    still = jax.tree.map(jnp.zeros_like, state.ddpg.target_actor)
    return state.replace(ddpg=state.ddpg.replace(target_actor=still))


def outcome(correct, status=OK):
    """So many images right in every batch, a row each."""
    counts = np.asarray(correct, np.float32)
    accuracies = np.repeat(counts[:, None] / np.float32(IMAGES), BATCHES, axis=1)
    status = np.broadcast_to(np.int32(status), counts.shape)
    return Outcome(accuracies, accuracies.mean(1), np.zeros((len(counts), 0), np.float32), status)


def layer(name, state, correct, status=OK, rewards=None):
    """One exchange: the proposal, the state proposed and the state afterwards."""
    propose, update = phases()[name]
    proposal, proposed = propose(jax.random.key(1), state)
    rewards = np.full(len(correct), 0.1) if rewards is None else np.asarray(rewards)
    seen, earned = outcome(correct, status), rewards.astype(np.float32)
    after, metrics = update(jax.random.key(2), proposed, proposal, seen, earned)
    return proposal, proposed, after, metrics


def episode():
    """Of three models the second cannot be built further, the third loses accuracy."""
    state, proposals = begin(), []
    for correct, status, rewards in (
        ([9, 13, 5], OK, [0.5, 0.4, 0.3]),
        ([18, 0, 4], [OK, INVALID, OK], [0.2, -1.0, -0.1]),
        ([36, 0, 0], OK, [0.3, 0.0, 0.0]),
    ):
        proposal, _, state, _ = layer("grow", state, correct, status, rewards)
        proposals.append(proposal)
    return state, proposals


@pytest.mark.long
def test_noise_is_carried_from_layer_to_layer_and_ends_with_the_episode():
    state = begin()
    state = state.replace(grown=state.grown.replace(noise=jnp.array([[0.2], [-0.4], [8.0]])))
    # Halved at every layer, added to 0.5, cut off at 1; the next episode starts at 0.
    for expected in (
        [0.6, 0.3, 1],
        [0.55, 0.4, 1],
        [0.525, 0.45, 1],
        [0.5, 0.5, 0.5],
    ):
        step = int(state.grown.step)
        _, proposed, state, _ = layer("grow", state, [20] * 3)
        np.testing.assert_allclose(proposed.grown.actions[:, step, 0], expected, atol=1e-6)


@pytest.mark.parametrize(("rounds", "action"), [(1, 0.6), (2, 0.5), (3, 0.5)])
def test_after_the_noisy_rounds_there_is_no_noise(rounds, action):
    state = begin().replace(round=jnp.int32(rounds))
    state = state.replace(grown=state.grown.replace(noise=jnp.full((3, 1), 0.2)))
    _, proposed, *_ = layer("grow", state, [20] * 3)
    np.testing.assert_allclose(proposed.grown.actions[:, 0, 0], action, atol=1e-6)


def test_every_layer_grown_is_kept_with_what_it_reached_and_whether_growth_goes_on():
    state, proposals = episode()
    masks = [proposal.mask.tolist() for proposal in proposals]
    assert masks == [[True] * 3, [True] * 3, [True, False, False]]
    for i, proposal in enumerate(proposals):
        assert proposal.purpose.tolist() == [GROW] * 3
        np.testing.assert_array_equal(proposal.architecture[0, :, 0], [2] * (i + 1) + [0] * (2 - i))
    assert state.replay.size == 7
    rows = jax.tree.map(lambda leaf: np.asarray(leaf[:7]), state.replay.rows)
    assert rows["length"].tolist() == [1, 1, 1, 2, 2, 2, 3]
    np.testing.assert_allclose(rows["reward"], [0.5, 0.4, 0.3, 0.2, -1.0, -0.1, 0.3])
    np.testing.assert_allclose(rows["discount"], [0.9, 0.9, 0.9, 0.9, 0, 0, 0])
    # Counts of right images; a layer that was not built has those of the model before.
    latest = rows["performance"][np.arange(7), rows["length"] - 1]
    assert rows["performance"].dtype == np.uint8
    np.testing.assert_array_equal(latest, np.repeat([[9], [13], [5], [18], [13], [4], [36]], 4, 1))
    np.testing.assert_array_equal(rows["performance"][6, :, 0], [9, 18, 36])


def test_a_backup_is_the_sampled_model_with_the_target_actors_next_layer():
    state, _ = episode()
    actions = jnp.linspace(0, 0.99, 30).reshape(10, 3, 1)
    rows = state.replay.rows | {"actions": actions}
    state = state.replace(replay=state.replay.replace(rows=rows))
    proposal, proposed, *_ = layer("learn", state, [20] * 64)
    sampled = jax.device_get(proposed.sampled)
    np.testing.assert_array_equal(proposed.backup_action, np.full((64, 1), np.float32(0.5)))
    np.testing.assert_array_equal(proposal.purpose, [BACKUP] * 64)
    np.testing.assert_array_equal(proposal.mask, sampled["discount"] > 0)
    # 64 of seven miss one of them once in 2,700 seeds; the seed is one in which they do not.
    assert len({round(float(reward), 1) for reward in sampled["reward"]}) == 6
    for i, length in enumerate(sampled["length"]):
        built = [1 + int(3 * action) for action in sampled["actions"][i, :length, 0]]
        expected = ([*built, 2] + [0] * 3)[:3]
        np.testing.assert_array_equal(proposal.architecture[i, :, 0], expected)
        reached = sampled["performance"][i, length - 1] / IMAGES
        np.testing.assert_allclose(proposal.baseline[i], reached, atol=1e-6)


def test_where_no_backup_can_be_built_the_targets_need_no_critic():
    state, _ = episode()
    _, proposed, after, metrics = layer("learn", state, [0] * 64, INVALID)
    sampled = proposed.sampled
    # r + discount * -1
    targets = np.asarray(sampled["reward"]) - np.asarray(sampled["discount"])
    assert float(metrics["target_mean"]) == pytest.approx(targets.mean(), abs=1e-6)
    assert int(controller().num_updates(after)) == 1
    # Where they can, the critic has a say.
    _, _, _, other = layer("learn", state, [20] * 64)
    assert abs(float(other["target_mean"]) - targets.mean()) > 0.01


def test_nothing_is_learned_before_the_replay_holds_its_minimum():
    state, _ = episode()
    state = state.replace(replay=state.replay.replace(added=jnp.int32(6)))
    proposal, _, after, metrics = layer("learn", state, [20] * 64)
    assert not proposal.mask.any() and np.isnan(metrics["critic_loss"])
    jax.tree.map(np.testing.assert_array_equal, after.ddpg, state.ddpg)


def validated(state, correct):
    """The masks of one validation episode, whose layers get so many right, and the state."""
    masks = []
    for count in correct:
        proposal, _, state, _ = layer("validate", state, [count])
        assert proposal.purpose.tolist() == [VALIDATE]
        masks.append(bool(proposal.mask[0]))
    np.testing.assert_array_equal(proposal.architecture[0, :, 0], [2, 2, 2])
    return masks, state


def test_every_second_round_validates_and_patience_counts_rounds_without_a_better_one():
    state = begin()
    state = state.replace(ddpg=state.ddpg.replace(num_updates=jnp.int32(1)))
    found = []
    for correct in (10, 20, 30, 20, 40, 19):
        masks, state = validated(state, [5, 7, correct])
        best = round(float(state.best_validation) * IMAGES)
        over = bool(controller().finished(state))
        found.append((all(masks), int(state.round), best, int(state.stale), over))
    assert found == [
        (False, 1, 0, 0, False),
        (True, 2, 20, 0, False),
        (False, 3, 20, 0, False),
        (True, 4, 20, 2, False),  # as good is not better
        (False, 5, 20, 2, False),
        (True, 6, 20, 4, True),
    ]
    # Who has finished asks for nothing more.
    assert validated(state.replace(round=jnp.int32(7)), [5, 7, 40])[0] == [False] * 3
    full = state.replace(replay=episode()[0].replay)
    for name, rows in (("grow", 3), ("learn", 64)):
        assert not layer(name, full, [20] * rows)[0].mask.any()


def test_what_has_learned_nothing_is_not_validated():
    masks, state = validated(begin().replace(round=jnp.int32(1)), [5, 7, 9])
    assert masks == [False] * 3
    assert (int(state.round), float(state.best_validation), int(state.stale)) == (2, 0, 0)
