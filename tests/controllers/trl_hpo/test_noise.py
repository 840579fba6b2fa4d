"""The Ornstein-Uhlenbeck process against its closed form."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

from nasjax.controllers.trl_hpo.noise import ornstein_uhlenbeck

THETA, SIGMA, STEPS, PROCESSES = 0.15, 0.2, 10, 20_000


def step(seed: int, noise: jax.Array, *, theta: float, sigma: float) -> np.ndarray:
    return np.asarray(ornstein_uhlenbeck(jax.random.key(seed), noise, theta=theta, sigma=sigma))


@jax.jit
def run(key: jax.Array, noise: jax.Array) -> jax.Array:
    def advance(noise: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        return ornstein_uhlenbeck(key, noise, theta=THETA, sigma=SIGMA), None

    return jax.lax.scan(advance, noise, jax.random.split(key, STEPS))[0]


def test_mean_and_variance_after_ten_steps_are_those_of_the_closed_form() -> None:
    # x_n = (1 - theta)^n x_0 + sigma sum_k (1 - theta)^k N_k, so from x_0 = 1
    # mean 0.85^10 = 0.196874; variance 0.04 (1 - 0.85^20) / (1 - 0.85^2) = 0.138557
    end = np.asarray(run(jax.random.key(0), jnp.ones(PROCESSES)))
    mean, variance = 0.196874, 0.138557
    # Five standard errors each: a false alarm in about one of 500,000 seeds.
    assert abs(end.mean() - mean) < 5 * (variance / PROCESSES) ** 0.5
    assert abs(end.var() - variance) < 5 * variance * (2 / PROCESSES) ** 0.5


def test_elements_are_processes_of_their_own() -> None:
    end = np.asarray(run(jax.random.key(1), jnp.zeros((PROCESSES // 2, 2))))
    # Five standard errors of a correlation of 0: a false alarm in 6e-7 of all seeds.
    assert abs(np.corrcoef(end.T)[0, 1]) < 5 * (PROCESSES // 2) ** -0.5


def test_without_sigma_the_noise_decays_to_zero() -> None:
    # 1 - 0.15 = 0.85; -2 + 0.3 = -1.7; 0 stays
    assert_allclose(
        step(0, jnp.array([1.0, -2.0, 0.0]), theta=0.15, sigma=0.0), [0.85, -1.7, 0], rtol=1e-6
    )


def test_without_theta_the_noise_is_a_random_walk() -> None:
    start = jnp.array([1.0, -2.0, 0.0])
    steps = step(0, jnp.zeros(3), theta=0.0, sigma=0.2)
    assert_allclose(step(0, start, theta=0.0, sigma=0.2), start + steps, rtol=1e-6)
    assert (steps != 0).all()
    # twice the sigma, twice the step
    assert_allclose(step(0, jnp.zeros(3), theta=0.0, sigma=0.4), 2 * steps, rtol=1e-6)


def test_without_both_the_noise_stays() -> None:
    start = jnp.array([[0.3, -0.1]])
    assert_allclose(step(0, start, theta=0.0, sigma=0.0), start)


def test_the_innovation_does_not_depend_on_the_noise() -> None:
    start = jnp.array([1.0, -2.0, 0.5])
    moved = step(3, start, theta=THETA, sigma=SIGMA)
    from_zero = step(3, jnp.zeros(3), theta=THETA, sigma=SIGMA)
    assert_allclose(moved - from_zero, 0.85 * start, atol=1e-6)


def test_the_noise_is_a_function_of_its_key() -> None:
    a, again, other = (step(s, jnp.zeros(4), theta=THETA, sigma=SIGMA) for s in (0, 0, 1))
    assert_allclose(a, again, rtol=0)
    assert (a != other).all()
