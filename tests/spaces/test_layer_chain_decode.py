"""From actions to layers: Table I and the released code against worked numbers and plain Python."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.spaces.layer_chain import LayerChain, LayerChainConfig
from tests.oracles.chain_rows import CONV32, FC64, POOL, layer, row, rows
from tests.oracles.numpy_net import ACTIVATIONS, Layer

DECODE = {
    "table1": jax.jit(LayerChain((28, 28, 1), 10, LayerChainConfig(decode="table1")).decode),
    "released": jax.jit(LayerChain((28, 28, 1), 10, LayerChainConfig(decode="released")).decode),
}
FILTERS, NEURONS = range(8, 129, 8), range(16, 513, 8)
BELOW = np.nextafter(np.float32(1), np.float32(0))  # the largest action under 1


def decode(name: str, action: tuple[float, ...], *prefix: Layer) -> Layer:
    values = jnp.array(action, jnp.float32)
    return layer(DECODE[name](values, rows(*prefix), jnp.int32(len(prefix))))


# decode="table1": the kind by thirds, then index = min(floor(a n), n - 1).


@pytest.mark.parametrize(
    ("first", "kind"),
    # floor(3 * 0.33) = 0, floor(3 * 0.34) = 1, floor(3 * 0.66) = 1, floor(3 * 0.67) = 2
    [(0, "conv"), (0.33, "conv"), (0.34, "fc"), (0.66, "fc"), (0.67, "pool"), (1, "pool")],
)
def test_thirds_of_the_first_value_pick_the_kind(first: float, kind: str) -> None:
    assert decode("table1", (first, 0, 0, 0), CONV32)[0] == kind
    assert decode("table1", (first, 0, 0, 0), CONV32, POOL)[0] == kind


@pytest.mark.parametrize("name", ["table1", "released"])
@pytest.mark.parametrize("first", [0.0, 0.5, 1.0])
def test_the_first_layer_is_a_conv_and_after_an_fc_comes_an_fc(name: str, first: float) -> None:
    assert decode(name, (first, 0.5, 0.5, 0.5))[0] == "conv"
    assert decode(name, (first, 0.5, 0.5, 0.5), CONV32, FC64)[0] == "fc"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        # 16 filters and 2 biases and 4 paddings: boundaries at 1/16, 1/2, 1/4 are exact in float32.
        # conv, filters 8 + 8 floor(16 a), kernel and stride by thirds
        ((0, 0, 0, 0), ("conv", 8, 3, 1)),
        ((0, BELOW / 16, 0.33, 0.33), ("conv", 8, 3, 1)),
        ((0, 1 / 16, 0.34, 0.34), ("conv", 16, 5, 2)),
        ((0, BELOW * 15 / 16, 0.66, 0.66), ("conv", 120, 5, 2)),  # floor(14.99...) = 14
        ((0, 15 / 16, 0.67, 0.67), ("conv", 128, 7, 3)),
        ((0, 1, 1, 1), ("conv", 128, 7, 3)),  # floor(16) = 16 is cut to 15
        # fc, neurons 16 + 8 floor(63 a), bias yes below 1/2, activation floor(7 a)
        ((0.5, 0, 0, 0), ("fc", 16, True, "none")),
        ((0.5, 0.5, BELOW / 2, 0.15), ("fc", 264, True, "relu")),  # floor(31.5) = 31, floor(1.05)
        ((0.5, 0.99, 0.5, 0.5), ("fc", 512, False, "tanh")),  # floor(62.37) = 62, floor(3.5) = 3
        ((0.5, 0.98, 1, 0.85), ("fc", 504, False, "elu")),  # floor(61.74) = 61, floor(5.95) = 5
        ((0.5, 1, 1, 1), ("fc", 512, False, "gelu")),
        # pool, kernel 2 + floor(7 a), stride 1 + floor(3 a), padding floor(4 a)
        ((1, 0, 0, 0), ("pool", 2, 1, 0)),
        ((1, 0.14, 0.34, BELOW / 4), ("pool", 2, 2, 0)),  # floor(0.98) = 0
        ((1, 0.15, 0.66, 0.25), ("pool", 3, 2, 1)),  # floor(1.05) = 1
        ((1, 0.5, 0.67, 0.5), ("pool", 5, 3, 2)),
        ((1, 0.85, 1, BELOW * 3 / 4), ("pool", 7, 3, 2)),  # floor(5.95) = 5
        ((1, 1, 1, 1), ("pool", 8, 3, 3)),
    ],
)
def test_table1_values_have_equal_shares(action: tuple[float, ...], expected: Layer) -> None:
    assert decode("table1", action, CONV32) == expected


# decode="released": the corner cases of the authors' code.


@pytest.mark.parametrize(
    ("first", "kind"),
    [(0, "conv"), (0.32, "conv"), (0.331, "fc"), (0.669, "fc"), (0.68, "pool"), (1, "pool")],
)
def test_released_kinds_are_cut_at_33_and_67_percent(first: float, kind: str) -> None:
    # by thirds 0.331 would be a conv (0.993) and 0.669 a pool (2.007)
    assert decode("released", (first, 0, 0, 0), CONV32)[0] == kind


@pytest.mark.parametrize(
    ("action", "prefix", "filters"),
    [
        # sizes 8, 16, ..., 120 have the indices 0 to 14; index = int(a (14 - lower) + lower + 1),
        # at most 14; lower is the index of the last conv, 0 before the first
        (0.0, [], 16),  # int(0 + 1) = 1: a first conv has never 8 filters
        (0.5, [], 72),  # int(7 + 1) = 8
        (1.0, [], 120),  # 15, cut to 14
        (0.0, [CONV32], 40),  # 32 is index 3: int(3 + 1) = 4, the next size
        (0.5, [CONV32], 80),  # int(5.5 + 4) = 9
        (0.25, [CONV32, POOL], 56),  # int(2.75 + 4) = 6
        (0.0, [CONV32, POOL, POOL], 40),
        (0.0, [("conv", 64, 3, 1), CONV32], 40),  # above the last conv, not above the largest
        (0.0, [CONV32, POOL, ("conv", 64, 3, 1), POOL], 72),
        (0.0, [("conv", 112, 3, 1)], 120),  # index 13: 14
        (0.0, [("conv", 120, 3, 1)], 120),  # index 14: 15, cut to 14
        (1.0, [("conv", 120, 3, 1), POOL], 120),
    ],
)
def test_released_filters_lie_above_the_last_conv(
    action: float, prefix: list[Layer], filters: int
) -> None:
    assert decode("released", (0, action, 0, 0), *prefix) == ("conv", filters, 3, 1)


@pytest.mark.parametrize(
    ("action", "prefix", "neurons"),
    [
        # sizes 16, 24, ..., 504 have the indices 0 to 61
        (0.0, [CONV32], 16),
        (0.5, [CONV32], 256),  # int(30.5) = 30
        (BELOW, [CONV32], 496),  # 504 needs a = 1
        (1.0, [CONV32], 504),
        # after an fc of index i: int(a (i + 1)), at most 61
        (0.0, [CONV32, FC64], 16),
        (0.5, [CONV32, FC64], 40),  # 64 is index 6: int(3.5) = 3
        (0.9, [CONV32, FC64], 64),  # int(6.3) = 6
        (1.0, [CONV32, FC64], 72),  # 7: one step above, at most
        (1.0, [CONV32, ("fc", 256, True, "none"), FC64], 72),  # the last fc counts
        (1.0, [CONV32, ("fc", 16, True, "none")], 24),
        (0.99, [CONV32, ("fc", 504, True, "none")], 504),  # int(0.99 * 62) = int(61.38) = 61
        (1.0, [CONV32, ("fc", 504, True, "none")], 504),  # 62, cut to 61
    ],
)
def test_released_neurons_are_about_the_last_fc_or_fewer(
    action: float, prefix: list[Layer], neurons: int
) -> None:
    assert decode("released", (0.5, action, 0, 0), *prefix)[1] == neurons


def test_released_last_values_need_an_action_of_exactly_one() -> None:
    assert decode("released", (0, 0, BELOW, BELOW)) == ("conv", 16, 5, 2)
    assert decode("released", (0, 0, 1, 1)) == ("conv", 16, 7, 3)
    assert decode("released", (0.5, 0, BELOW, BELOW), CONV32) == ("fc", 16, True, "gelu")
    assert decode("released", (0.5, 0, 1, 1), CONV32) == ("fc", 16, False, "none")
    assert decode("released", (0, 0, BELOW, BELOW), CONV32, FC64) == ("fc", 16, True, "gelu")


def test_released_activations_have_their_own_order() -> None:
    # index int(6 a) at a = (i + 1/2) / 6
    names = ["sigmoid", "tanh", "relu", "leakyrelu", "elu", "gelu"]
    picked = [decode("released", (0.5, 0, 0, (i + 0.5) / 6), CONV32)[3] for i in range(6)]
    assert picked == names


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        # index int(a n - 1) into 2..7, 1..3, 0..3; int truncates towards zero, -1 is the last
        (0.0, ("pool", 7, 3, 3)),
        (0.1, ("pool", 2, 1, 0)),  # int(-.4), int(-.7), int(-.6) are 0
        (0.3, ("pool", 2, 1, 0)),  # int(0.8), int(-.1), int(0.2)
        (0.5, ("pool", 4, 1, 1)),  # int(2), int(0.5), int(1)
        (0.75, ("pool", 5, 2, 2)),  # int(3.5), int(1.25), int(2)
        (0.9, ("pool", 6, 2, 2)),  # int(4.4), int(1.7), int(2.6)
        (1.0, ("pool", 7, 3, 3)),
    ],
)
def test_released_pool_indices_are_shifted_and_wrap(action: float, expected: Layer) -> None:
    assert decode("released", (1, action, action, action), CONV32) == expected


def reference_decode(name: str, a: list[float], prefix: list[Layer]) -> Layer:
    """Both ways of decoding in plain Python, with lists that wrap at -1."""
    released = name == "released"
    kind = min(int(3 * a[0]), 2)
    if released:
        kind = 0 if a[0] < 0.33 else 1 if a[0] < 0.67 else 2
    kind = 0 if not prefix else 1 if prefix[-1][0] == "fc" else kind
    lists: list[list[list[Any]]] = [
        [list(FILTERS), [3, 5, 7], [1, 2, 3]],
        [list(NEURONS), [True, False], list(ACTIVATIONS)],
        [list(range(2, 9)), [1, 2, 3], [0, 1, 2, 3]],
    ]
    index = [min(int(x * len(v)), len(v) - 1) for x, v in zip(a[1:], lists[kind], strict=True)]
    if released:
        for values in lists:
            values[0].pop()
        lists[1][2] = ["sigmoid", "tanh", "relu", "leakyrelu", "elu", "gelu", "none"]
        sizes = [len(values) for values in lists[kind]]
        index = [int(x * (n - 1)) for x, n in zip(a[1:], sizes, strict=True)]
        if kind == 0:
            convs = [built for built in prefix if built[0] == "conv"]
            lower = lists[0][0].index(convs[-1][1]) if convs else 0
            index[0] = min(int(a[1] * (14 - lower) + lower + 1), 14)
        elif kind == 1 and prefix[-1][0] == "fc":
            index[0] = min(int(a[1] * (lists[1][0].index(prefix[-1][1]) + 1)), 61)
        elif kind == 2:
            index = [int(x * n - 1) for x, n in zip(a[1:], sizes, strict=True)]
    values = [v[i] for v, i in zip(lists[kind], index, strict=True)]
    return (("conv", "fc", "pool")[kind], *values)


@pytest.mark.parametrize("name", ["table1", "released"])
def test_decoding_agrees_with_plain_python_and_reads_only_the_prefix(name: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        # multiples of 1/64 and their products here are exact in float32: no boundary is blurred
        action = (rng.integers(0, 65, 4) / 64).tolist()
        built: list[Layer] = []
        for _ in range(rng.integers(6)):
            step = (rng.integers(0, 65, 4) / 64).tolist()
            built.append(reference_decode(name, step, built))
        prefix = rows(*built)
        # what lies behind the prefix is left over from another model
        prefix[len(built) :] = rng.choice([row(CONV32), row(FC64), row(POOL)], 6 - len(built))
        got = DECODE[name](jnp.array(action, jnp.float32), prefix, jnp.int32(len(built)))
        assert layer(got) == reference_decode(name, action, built), (action, built)
