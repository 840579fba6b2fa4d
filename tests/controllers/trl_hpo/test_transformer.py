"""The transformer against plain NumPy (numpy_transformer.py), worked counts and limit cases."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.controllers.trl_hpo.transformer import Transformer, sinusoidal_positions
from tests.oracles import numpy_transformer
from tests.oracles.numpy_transformer import Array, Projections

LENGTH, WIDTH, HEADS, BLOCKS, OUTPUTS = 5, 12, 3, 2, 7
KEYS = 20  # one number for all tests of dropout: one program
Forward = Callable[[Any, Any], tuple[Array, Array]]


def small(projections: Projections = "shared", **settings: Any) -> Transformer:
    sizes = dict(num_outputs=OUTPUTS, num_blocks=BLOCKS, num_heads=HEADS, expansion=3)
    return Transformer(**(sizes | settings), projections=projections)


def shapes(module: Transformer, length: int, width: int) -> dict[str, Any]:
    """The tree of parameter shapes; nothing is computed."""
    return jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((length, width)))


def draw(module: Transformer, seed: int = 0) -> dict[str, Any]:
    return numpy_transformer.draw(shapes(module, LENGTH, WIDTH), np.random.default_rng(seed))


def inputs(seed: int = 1) -> Array:
    """Three sequences, in the IMR's range and float32."""
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(3, LENGTH, WIDTH))).astype(np.float32)


def on_host(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Answer in NumPy, so that what a test does with it compiles nothing."""
    return lambda *args: jax.device_get(compiled(*args))


@functools.cache
def forward(projections: Projections) -> Forward:
    """Compiled evaluation of several sequences."""
    return on_host(jax.jit(jax.vmap(small(projections).apply, in_axes=(None, 0))))


@functools.cache
def trained(rate: float) -> Callable[[Any, Any], Array]:
    """Compiled dropout of one sequence by KEYS keys; as many outputs as the sequence has values."""
    module = small(num_outputs=LENGTH * WIDTH, dropout=rate)

    def output(params: Any, x: Any, key: jax.Array) -> jax.Array:
        return module.apply(params, x, train=True, rngs={"dropout": key})[0]

    many = jax.jit(jax.vmap(output, in_axes=(None, None, 0)))
    return on_host(lambda params, x: many(params, x, jax.random.split(jax.random.key(0), KEYS)))


def assert_equals_reference(projections: Projections, params: dict[str, Any]) -> None:
    output, attention = forward(projections)(params, inputs())
    blocks, head = numpy_transformer.read(params)
    for i, x in enumerate(inputs().astype(np.float64)):
        expected = numpy_transformer.forward(
            blocks, head, x, num_heads=HEADS, projections=projections
        )
        assert output[i].shape == (OUTPUTS,)
        assert attention[i].shape == (BLOCKS, HEADS, LENGTH, LENGTH)
        assert_allclose(output[i], expected[0], atol=1e-5)
        assert_allclose(attention[i], expected[1], atol=1e-5)


@pytest.mark.parametrize("projections", ["shared", "standard"])
def test_output_and_attention_equal_plain_numpy(projections: Projections) -> None:
    assert_equals_reference(projections, draw(small(projections)))


def test_layer_norm_adds_1e_5_to_the_variance() -> None:
    # With variances near 1e-6 the epsilon decides; near 1 it would be lost in the rounding.
    params = draw(small())
    for name in ("norm_attention_0", "contract_0"):
        params["params"][name] = jax.tree.map(lambda w: w * 1e-3, params["params"][name])
    assert_equals_reference("shared", params)


@pytest.mark.parametrize(
    ("projections", "num_outputs", "expected"),
    [
        # L = 6, E = 64, 4 heads (d = 16), 2 blocks, expansion 4. A block:
        #   query, key, value  shared 3 * 16 * 16 =   768; standard 3 * 64 * 64 = 12,288
        #   merge of heads     64 * 64 + 64       = 4,160
        #   two layer norms    2 * (64 + 64)      =   256
        #   E -> 4E            64 * 256 + 256     = 16,640
        #   4E -> E            256 * 64 + 64      = 16,448
        #   sum                shared 38,272; standard 49,792
        # flat 6 * 64 = 384 -> 4: 384 * 4 + 4 = 1,540; -> 1: 384 + 1 = 385
        ("shared", 4, 78_084),  # 2 * 38,272 + 1,540
        ("shared", 1, 76_929),  # 2 * 38,272 + 385
        ("standard", 4, 101_124),  # 2 * 49,792 + 1,540
        ("standard", 1, 99_969),  # 2 * 49,792 + 385
    ],
)
def test_parameter_counts_are_those_worked_by_hand(
    projections: Projections, num_outputs: int, expected: int
) -> None:
    module = Transformer(num_outputs=num_outputs, projections=projections)
    leaves = jax.tree.leaves(shapes(module, 6, 64))
    assert sum(leaf.size for leaf in leaves) == expected


def test_positions_are_vaswanis() -> None:
    table = sinusoidal_positions(6, 64)
    assert_allclose(table[0], np.tile([0, 1], 32), atol=0)  # sin 0, cos 0
    # Columns 2, 3: 2 / 10000^(2/64) = 2 / 1.333521 = 1.499788; sin .997481, cos .070948
    # Columns 62, 63: 5 / 10000^(62/64) = 5 / 7498.942 = .00066676
    assert_allclose(table[2, 2:4], [0.997481, 0.070948], atol=2e-6)
    assert_allclose(table[5, 62:], [0.00066676, 1], atol=1e-6)
    assert_allclose(table, numpy_transformer.positions(6, 64), atol=1e-6)


@pytest.mark.parametrize("projections", ["shared", "standard"])
def test_attention_rows_sum_to_one_and_are_uniform_without_queries(
    projections: Projections,
) -> None:
    params = draw(small(projections))
    _, attention = forward(projections)(params, inputs())
    assert_allclose(np.sum(attention, axis=-1), 1, atol=1e-6)
    assert np.min(attention) >= 0
    query = params["params"]["attention_1"]["query"]
    query["kernel"] = np.zeros_like(query["kernel"])
    _, silent = forward(projections)(params, inputs())
    assert_allclose(silent[:, 1], 1 / LENGTH, atol=1e-6)
    assert_array_equal(silent[:, 0], attention[:, 0])


def test_the_order_of_heads_does_not_matter() -> None:
    # Standard heads 2, 0, 1: the columns that a head owns in query, key and value move together
    # with the rows of the merging matrix that read them.
    heads = [2, 0, 1]
    moved = np.arange(WIDTH).reshape(HEADS, -1)[heads].reshape(-1)
    params = draw(small("standard"))
    permuted = copy.deepcopy(params)
    for i in range(BLOCKS):
        entry = permuted["params"][f"attention_{i}"]
        for name in ("query", "key", "value"):
            entry[name]["kernel"] = entry[name]["kernel"][:, moved]
        entry["out"]["kernel"] = entry["out"]["kernel"][moved]
    output, attention = forward("standard")(params, inputs())
    same_output, same_attention = forward("standard")(permuted, inputs())
    assert_allclose(same_output, output, atol=1e-5)
    assert_allclose(same_attention, attention[:, :, heads], atol=1e-5)
    assert np.ptp(attention, axis=2).max() > 0.1  # the heads differ, so the order was visible


def test_dropout_acts_in_training_only_and_differs_by_key() -> None:
    # `forward` gives no dropout key and has the default rate; a rate-0 net trains to the same.
    params = draw(small(num_outputs=LENGTH * WIDTH))
    x = inputs()[0]
    blocks, head = numpy_transformer.read(params)
    plain, _ = numpy_transformer.forward(blocks, head, x, num_heads=HEADS, projections="shared")
    assert_allclose(trained(0.0)(params, x), np.tile(plain, (KEYS, 1)), atol=1e-5)
    noisy = trained(0.2)(params, x)
    assert np.abs(noisy - plain).max(axis=1).min() > 0.1
    assert np.abs(noisy[1:] - noisy[:-1]).max(axis=1).min() > 0.1
    assert_array_equal(trained(0.2)(params, x), noisy)


def test_dropout_follows_both_layer_norms_at_its_rate() -> None:
    params = draw(small(num_outputs=LENGTH * WIDTH))
    tree, x = params["params"], inputs()[0]
    tree["head"]["kernel"] = np.eye(LENGTH * WIDTH, dtype=np.float32)
    tree["head"]["bias"] = np.zeros(LENGTH * WIDTH, np.float32)
    ones = {"scale": np.zeros(WIDTH, np.float32), "bias": np.ones(WIDTH, np.float32)}

    # A last norm that gives ones, read as it is: each is dropped, or kept as 1 / (1 - .2) = 1.25.
    last = tree["norm_feed_forward_1"]
    tree["norm_feed_forward_1"] = ones
    dropped = trained(0.2)(params, x)
    assert_allclose(np.unique(dropped), [0, 1.25], atol=1e-6)
    # Zeros ~ Binomial(20 * 60, .2): mean 240, deviation 13.9; 5 deviations fail once in 1.7e6.
    assert abs(np.sum(dropped == 0) - 240) < 5 * 13.9

    # After the attention: ones that stayed whole would be a constant row, which the last norm
    # (without bias, nothing added in between) turns into zeros.
    tree["norm_attention_1"] = ones
    tree["norm_feed_forward_1"] = {"scale": last["scale"], "bias": np.zeros(WIDTH, np.float32)}
    tree["contract_1"] = jax.tree.map(np.zeros_like, tree["contract_1"])
    assert np.abs(trained(0.2)(params, x)).max(axis=1).min() > 0.1
