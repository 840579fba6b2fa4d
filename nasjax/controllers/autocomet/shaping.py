"""The equations of co-regulated shaping (AUTOCoMET, III.D, Algorithm 1): targets and epsilon.

    delta Phi = r_S + gamma Phi(s', a') - Phi(s, a)                      lines 11 and 12
    target of Q(s, a) = r_P + gamma max_a' Q(s', a')                     line 15
                        + sum_i epsilon_i Phi_i(s, a)                    equation 2 only
    pi = softmax over a of (Q(s, a) + sum_i epsilon_i Phi_i(s, a)) / temperature
    epsilon <- epsilon e^Delta above a threshold, else 0                 equation 3

Delta is the gain of the primary between candidates that were evaluated one after another. Over an
unbroken chain its sum telescopes, so that epsilon = epsilon_0 e^(primary now - primary at first):
it does not decay, as the text says it does. The schedules:

    constant            epsilon is constant
    pies                minus epsilon_0 / C an episode (Behboudian et al., 2020)
    equation_3          as printed; the chain goes on from one episode to the next
    equation_3_episode  as printed; every episode begins at primary 0: it grows without bound
    regulated           equation 3 with the decay of the text: e^(Delta - 5 / C)
    dual                up by e^(0.1 (1 - allowed)) if the architecture breaks the target, down by
                        e^(0.1 allowed) if it keeps it: the ascent of a Lagrange multiplier

Equation 3's change after every candidate, the others after every episode, of which C are made.
"""

import jax
import jax.numpy as jnp

DUAL_RATE = 0.1


def q_target(r_t: jax.Array, discount_t: float, max_q_t: jax.Array, shaped: jax.Array) -> jax.Array:
    """The target of Q(s, a) (line 15); `shaped`: epsilon Phi(s, a) of equation 2, or zeros."""
    return r_t + discount_t * max_q_t + shaped


def potential_target(r_t: jax.Array, discount_t: float, phi_t: jax.Array) -> jax.Array:
    """The target of Phi(s, a) (line 11): r_S + gamma Phi(s', a') for the action a' taken."""
    return r_t + discount_t * phi_t


def next_layer(values: jax.Array) -> jax.Array:
    """Values [..., L] shifted to the layer before; 0 for the last layer."""
    return jnp.concatenate([values[..., 1:], jnp.zeros_like(values[..., :1])], axis=-1)


def preferences(q: jax.Array, phi: jax.Array, epsilon: jax.Array) -> jax.Array:
    """Q + sum_i epsilon_i Phi_i of every action: [K], [S, K], [S] -> [K]."""
    return q + (epsilon[:, None] * phi).sum(0)


def equation_3(epsilon: jax.Array, gain: jax.Array, threshold: float) -> jax.Array:
    """Epsilon after one more candidate: [S], gain [] -> [S]."""
    return jnp.where(epsilon > threshold, epsilon * jnp.exp(gain), 0.0)


def pies(epsilon: jax.Array, start: jax.Array, episodes: float, threshold: float) -> jax.Array:
    """Epsilon after one more of `episodes` episodes, in constant steps: [S], [S] -> [S]."""
    lower = epsilon - start / episodes
    return jnp.where(lower > threshold, lower, 0.0)


def regulated(epsilon: jax.Array, gain: jax.Array, episodes: float, threshold: float) -> jax.Array:
    """Epsilon after one more of `episodes` episodes: [S], its gain [] -> [S]."""
    return equation_3(epsilon, gain - 5 / episodes, threshold)


def dual(epsilon: jax.Array, is_broken: jax.Array, allowed: float) -> jax.Array:
    """Epsilon after an architecture that broke its target or kept it: [S], [S] 0 or 1 -> [S]."""
    return epsilon * jnp.exp(DUAL_RATE * (is_broken - allowed))


def ranked(values: jax.Array, among: jax.Array, is_there: jax.Array) -> jax.Array:
    """The share of `among` [M], where `is_there` [M], that a value [...] beats; ties count half."""

    def share(value: jax.Array) -> jax.Array:
        beaten = (among < value) + 0.5 * (among == value)
        return jnp.where(is_there, beaten, 0).sum() / jnp.maximum(is_there.sum(), 1)

    return jnp.vectorize(share)(values)


def credited(values: jax.Array, credit: str) -> jax.Array:
    """Rewards [..., L] of layers from values [..., L] of prefixes, see `AutocometConfig.credit`."""
    if credit == "value":
        return values
    if credit == "gain":
        return jnp.diff(values, axis=-1, prepend=jnp.zeros_like(values[..., :1]))
    return jnp.zeros_like(values).at[..., -1].set(values[..., -1])
