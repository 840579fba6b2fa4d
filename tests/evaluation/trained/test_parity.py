"""The candidate net against an independent plain NumPy version (float64, numpy_net.py)."""

import concurrent.futures
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nasjax.evaluation.trained import network, training
from nasjax.evaluation.trained.programs import OLDER_EMITTERS
from nasjax.spaces.layer_chain import ACTIVATIONS, LayerChain
from tests.oracles import numpy_net

pytestmark = pytest.mark.long

SHAPE, CLASSES, BATCH = (12, 12, 2), 10, 16
SPACE = LayerChain(SHAPE, CLASSES)


def to_layers(chain):
    """The reference's tuples as the space's dicts."""
    names = {"conv": ("filters", "kernel", "stride"), "fc": ("neurons", "bias", "activation")}
    names["pool"] = ("kernel", "stride", "padding")
    return [
        {"kind": kind, **dict(zip(names[kind], values, strict=True))} for kind, *values in chain
    ]


def chains():
    """20 random chains of every length, and four written to cover what chance may leave out."""
    rng = np.random.default_rng(0)
    drawn = [numpy_net.random_layers(rng, SHAPE, 1 + i % 6) for i in range(20)]
    return [
        *drawn,
        [("conv", 8, 3, 1), ("pool", 3, 1, 1), ("pool", 8, 3, 3), ("fc", 16, True, "leakyrelu")],
        [("conv", 16, 5, 2), ("pool", 3, 2, 0), ("fc", 24, False, "gelu"), ("fc", 16, True, "elu")],
        [("conv", 8, 7, 3), *[("fc", 16, True, a) for a in ("none", "relu", "tanh", "sigmoid")]],
        [("conv", 64, 3, 1), ("conv", 8, 3, 1), ("fc", 16, True, "tanh")],  # few filters
    ]


CHAINS = chains()


def reference_params(params, chain):
    """Our parameters of an unpadded net in the reference's form."""
    converted, channels = [], SHAPE[2]
    for layer, values in zip([*chain, ("head",)], params, strict=True):
        entry = {name: np.asarray(value, np.float64) for name, value in values.items()}
        if layer[0] == "conv":
            entry["w"] = entry["w"].reshape(layer[2], layer[2], channels, layer[1])
            channels = layer[1]
        if layer[0] == "fc" and not layer[2]:
            del entry["b"]
        converted.append(entry)
    return converted


def our_params(reference, like):
    """The reference's parameters in our form; a missing bias is our bias of zeros."""
    return [
        {
            name: entry.get(name, np.zeros(1)).reshape(-1, leaf.shape[-1]).squeeze()
            if name == "b" and "b" in entry
            else (np.zeros(leaf.shape) if name not in entry else entry[name].reshape(leaf.shape))
            for name, leaf in values.items()
        }
        for entry, values in zip(reference, like, strict=True)
    ]


def assert_close(ours, reference, atol):
    """All elements of all parameters agree."""
    assert_all = functools.partial(np.testing.assert_allclose, rtol=10 * atol, atol=atol)
    jax.tree.map(assert_all, ours, our_params(reference, ours))


def prepare(chain, seed, conv_widths=(), fc_widths=()):
    architecture = SPACE.from_layers(to_layers(chain))
    plan, traits = network.make_plan(architecture, SHAPE[2], conv_widths, fc_widths)
    count = network.num_params(plan, SHAPE, CLASSES)
    draws = training.initial_draws(jax.random.key(seed), seed, count)
    return plan, traits, network.init(draws, plan, traits, SHAPE, CLASSES)


def batches(seed, count):
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(BATCH, *SHAPE)).astype(np.float32), rng.integers(0, CLASSES, BATCH))
        for _ in range(count)
    ]


def test_chains_cover_every_kind_and_activation():
    layers = [layer for chain in CHAINS for layer in chain]
    assert {layer[0] for layer in layers} == {"conv", "fc", "pool"}
    assert {layer[3] for layer in layers if layer[0] == "fc"} == set(ACTIVATIONS)
    assert any(layer[0] == "pool" and layer[3] > 0 and layer[1] > layer[2] for layer in layers)


def float32_numbers(chain, index):
    """Logits, loss and gradients as a search computes them: the program, not yet compiled."""
    plan, traits, params = prepare(chain, index)
    images, labels = batches(index, 3)[0]

    def numbers(params):
        loss = jax.value_and_grad(training.loss_fn)(params, images, labels, plan, traits)
        return network.apply(params, images, plan, traits), *loss

    return jax.jit(numbers).lower(params), params


def float64_steps(chain, index):
    """Three Adam steps, lowered with 64 bits: in 32, where a gradient is within rounding of 0 or a
    unit within it of relu's kink, rounding alone decides Adam's first steps, +- learning_rate.
    """
    plan, traits, params = prepare(chain, index)
    steps = batches(index, 3)
    data = training.DeviceData(
        train_images=np.concatenate([x for x, _ in steps]).astype(np.float64),
        train_labels=np.concatenate([y for _, y in steps]).astype(np.int32),
        validation_images=np.zeros((1, 1, *SHAPE)),
        validation_labels=np.zeros((1, 1), np.int32),
        order=np.arange(3 * BATCH, dtype=np.int32).reshape(3, BATCH),
    )
    lane = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (params, traits))
    exact = jax.tree.map(lambda leaf: leaf.astype(np.float64), lane[0])
    with jax.enable_x64(True):
        fit = jax.jit(lambda p, t, d: training.fit(p, plan, t, d, training.Recipe())[0])
        return fit.lower(exact, lane[1], data), (exact, lane[1], data)


@pytest.fixture(scope="module")
def results():
    """Every chain's numbers. Compiling is most of the work: unoptimised, and two at a time."""
    programs = [
        (float32_numbers(chain, index), float64_steps(chain, index))
        for index, chain in enumerate(CHAINS)
    ]
    lowered = [entry[0] for pair in programs for entry in pair]
    options = {"xla_backend_optimization_level": 0, **OLDER_EMITTERS}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        compiled = list(pool.map(lambda program: program.compile(options), lowered))
    found = []
    for i, ((_, params), (_, exact)) in enumerate(programs):
        with jax.enable_x64(True):
            trained = jax.tree.map(lambda leaf: np.asarray(leaf)[0], compiled[2 * i + 1](*exact))
        found.append((params, *compiled[2 * i](params), trained))
    return found


@pytest.mark.parametrize("index", range(len(CHAINS)))
def test_forward_loss_gradients_and_adam_agree_with_numpy(results, index):
    chain = CHAINS[index]
    params, logits, loss, gradients, trained = results[index]
    steps = batches(index, 3)
    images, labels = steps[0]
    reference = reference_params(params, chain)
    expected = numpy_net.forward(chain, reference, images)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    expected_loss, expected_gradients = numpy_net.loss_and_gradients(
        chain, reference, images, labels
    )
    np.testing.assert_allclose(loss, expected_loss, atol=1e-4)
    assert_close(gradients, expected_gradients, atol=1e-5)
    expected_params, _ = numpy_net.adam_steps(chain, reference, steps, learning_rate=1e-3)
    assert jax.tree.leaves(trained)[0].dtype == np.float64
    assert_close(trained, expected_params, atol=1e-8)


@pytest.mark.long
def test_padded_widths_give_the_same_net():
    # A rung far above every width: padding must change nothing beyond the order of float sums.
    chain = [
        ("conv", 8, 3, 1),
        ("pool", 3, 2, 1),
        ("conv", 24, 3, 2),
        ("fc", 40, True, "sigmoid"),
        ("fc", 16, False, "elu"),
    ]
    plan, traits, _ = prepare(chain, 0, (32,), (64,))
    exact_plan, exact_traits, exact = prepare(chain, 0)
    shapes = network.weight_shapes(plan, SHAPE, CLASSES)
    # The exact net's weights, embedded: padded channels are zero.
    widths = [SHAPE[2], 8, 8, 24, 40, 16]
    padded_widths = [SHAPE[2], 32, 32, 32, 64, 64]
    params = []
    for i, (values, shape) in enumerate(zip(exact, shapes, strict=True)):
        if shape is None:
            params.append({})
            continue
        w = np.zeros((shape[0] // padded_widths[i], padded_widths[i], shape[1]), np.float32)
        w[:, : widths[i], : values["w"].shape[1]] = np.asarray(values["w"]).reshape(
            len(w), widths[i], -1
        )
        b = np.zeros(shape[1], np.float32)
        b[: len(values["b"])] = values["b"]
        params.append({"w": jnp.asarray(w.reshape(shape)), "b": jnp.asarray(b)})
    images, labels = batches(1, 1)[0]
    loss, gradients = jax.value_and_grad(training.loss_fn)(params, images, labels, plan, traits)
    exact_loss = training.loss_fn(exact, images, labels, exact_plan, exact_traits)
    np.testing.assert_allclose(loss, exact_loss, rtol=1e-5)
    for values, start in zip(gradients, params, strict=True):
        for name in values:  # what starts at zero as padding has no gradient, so it stays zero
            padding = np.asarray(start[name]) == 0
            if name == "w":
                assert padding.any()
            np.testing.assert_array_equal(np.asarray(values[name])[padding], 0)


def test_initial_weights_are_uniform_within_the_inverse_root_of_the_true_fan_in():
    chain = [("conv", 24, 5, 1), ("fc", 504, True, "relu")]
    params = prepare(chain, 3, (64,), (512,))[2]
    # conv: fan_in = 5 * 5 * 2 = 50; fc: 8 * 8 * 24 = 1536 of 8 * 8 * 64 = 4096 rows
    w = np.asarray(params[0]["w"])
    np.testing.assert_array_equal(w[:, 24:], 0)
    assert 0.99 < np.abs(w[:, :24]).max() * np.sqrt(50) <= 1
    w = np.asarray(params[1]["w"]).reshape(8 * 8, 64, 512)
    np.testing.assert_array_equal(w[:, 24:], 0)
    np.testing.assert_array_equal(w[:, :, 504:], 0)
    inside = w[:, :24, :504] * np.sqrt(1536)
    assert 0.99 < np.abs(inside).max() <= 1
    # The variance of U(-1, 1) is 1/3; over 774,144 draws its sd is
    # sqrt(4/45 / 774144) = 0.00034, so 0.002 is 6 sigma.
    assert abs(inside.var() - 1 / 3) < 0.002


def test_adam_is_that_of_optax_with_its_defaults():
    # The recipe names Adam alone; betas and epsilon are PyTorch's defaults, which are optax's.
    state = optax.adam(1e-3).init({"w": jnp.zeros(1)})
    updates, _ = optax.adam(1e-3).update({"w": jnp.full(1, 0.5)}, state)
    # First step: m / sqrt(v) = g / |g| = 1, so the step is the learning rate.
    np.testing.assert_allclose(updates["w"], -1e-3, rtol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("fc_widths", [(), (64,)], ids=["exact", "padded"])
def test_bfloat16_computes_the_same_net_roughly_and_keeps_float32_params(fc_widths):
    chain = [("conv", 8, 3, 1), ("pool", 2, 2, 0), ("conv", 8, 3, 1), ("fc", 40, True, "relu")]
    plan, traits, params = prepare(chain, 0, (), fc_widths)
    images, labels = batches(0, 1)[0]

    def loss(precision):
        return jax.jit(
            jax.value_and_grad(
                lambda p: training.loss_fn(p, images, labels, plan, traits, precision)
            )
        )(params)

    (exact, exact_gradients), (rough, gradients) = loss("float32"), loss("bfloat16")
    assert rough.dtype == jnp.float32
    assert network.apply(params, images, plan, traits, "bfloat16").dtype == jnp.bfloat16
    # bfloat16 keeps 8 bits: 2^-8 = 0.4 % a value, and a loss near log(10) is far less sensitive.
    assert exact != rough
    np.testing.assert_allclose(rough, exact, rtol=0.02)
    for ours, wanted in zip(
        jax.tree.leaves(gradients), jax.tree.leaves(exact_gradients), strict=True
    ):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, wanted, atol=0.1 * np.abs(wanted).max())
