"""Trains the lanes of a plan from scratch and measures them; a plan is one compiled program."""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import Field

from nasjax.config import Fraction, PositiveFloat, PositiveInt, check, settings
from nasjax.evaluation.trained import network
from nasjax.evaluation.trained.network import Packed, Params, Plan, Precision, Traits
from nasjax.streams import stream

EVALUATION_CHUNK = 128  # images per forward pass when measuring; bounds the memory of im2col
DRAW_BLOCK = 1 << 16  # random numbers per call of the generator

S = TypeVar("S")
T = TypeVar("T")


@settings("evaluator")
class Recipe:
    """The training of a candidate (TRL-HPO's released code: Adam 1e-3, batch 16, 5 epochs)."""

    epochs: PositiveInt = 5
    batch_size: PositiveInt = 16
    learning_rate: PositiveFloat = 1e-3  # of Adam
    # Of the learning rate: "constant", as released, or "cosine" to zero at the last step.
    schedule: Literal["constant", "cosine"] = "constant"
    # The first images of the validation split, in fixed batches; the controller sees the accuracy
    # on each. Correct images of a batch are counted in one byte.
    validation_batches: PositiveInt = 32
    validation_batch_size: Annotated[int, Field(ge=1, le=255)] = 16
    # Of activations and products; params, Adam and the loss stay in float32. "bfloat16" is for
    # devices that multiply it faster.
    precision: Precision = "float32"
    # Accuracies on the whole validation split that a candidate must reach after its first, second,
    # ... epoch (not the last). It is stopped below one of them, or when its loss is not finite.
    # Empty: every candidate trains to the end and is measured once, not after every epoch.
    stop_below: tuple[Fraction, ...] = ()

    def __post_init__(self) -> None:
        shorter = not self.stop_below or len(self.stop_below) < self.epochs
        check(shorter, "evaluator.stop_below", self.stop_below, f"shorter than {self.epochs}")


class DeviceData(NamedTuple):
    """The search splits on the device, shared by all lanes."""

    train_images: jax.Array  # [N, H, W, C] float32
    train_labels: jax.Array  # [N] int32
    validation_images: jax.Array  # [M, chunk, H, W, C] float32, padded
    validation_labels: jax.Array  # [M, chunk] int32, -1 = padding
    order: jax.Array  # [steps, batch] int32, the training images of every step of every epoch


def batch_order(seed_key: jax.Array, recipe: Recipe, num_images: int) -> np.ndarray:
    """The training images of every step, [steps, batch] int32: a permutation per epoch.

    The incomplete last batch of an epoch is left out. The order depends on the seed and the number
    of images alone, so all candidates share their batches.
    """
    steps = num_images // recipe.batch_size
    epochs = []
    for epoch in range(recipe.epochs):
        order = jax.random.permutation(stream(seed_key, "batches", epoch), num_images)
        epochs.append(np.asarray(order[: steps * recipe.batch_size]).reshape(steps, -1))
    return np.concatenate(epochs).astype(np.int32)


def chunked(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels in chunks of EVALUATION_CHUNK; the last chunk is padded with label -1."""
    missing = -len(labels) % EVALUATION_CHUNK
    shape = images.shape[1:]
    images = np.concatenate([images, np.zeros((missing, *shape), images.dtype)])
    labels = np.concatenate([labels, np.full(missing, -1, np.int32)])
    return images.reshape(-1, EVALUATION_CHUNK, *shape), labels.reshape(-1, EVALUATION_CHUNK)


def loss_fn(
    params: Params,
    images: jax.Array,
    labels: jax.Array,
    plan: Plan,
    traits: Traits,
    precision: Precision = "float32",
) -> jax.Array:
    """Mean softmax cross-entropy of one candidate on one batch."""
    logits = network.apply(params, images, plan, traits, precision).astype(params[-1]["b"].dtype)
    # With one-hot labels this compiles to fewer kernels than a gather and its scatter.
    one_hot = jax.nn.one_hot(labels, logits.shape[-1])
    return optax.losses.softmax_cross_entropy(logits, one_hot).mean()


def learning_rate(recipe: Recipe, steps: int) -> float | optax.Schedule:
    """The recipe's learning rate, constant or as a schedule over `steps` steps."""
    if recipe.schedule == "cosine":
        return optax.cosine_decay_schedule(recipe.learning_rate, steps)
    return recipe.learning_rate


class Progress(NamedTuple):
    """A lane between two steps."""

    packed: Packed
    optimizer: optax.OptState
    finite: jax.Array | np.ndarray  # [] bool, whether every loss so far was finite


def begin(params: Params, recipe: Recipe, steps: int) -> Progress:
    """A lane before the first of `steps` steps, on the host."""
    packed = network.pack(params, np.concatenate)
    shapes = jax.eval_shape(optax.adam(learning_rate(recipe, steps)).init, packed)
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return Progress(packed, state, np.asarray(True))


def fit(
    params: Params,
    plan: Plan,
    traits: Traits,
    data: DeviceData,
    recipe: Recipe,
    in_place: bool = True,
) -> tuple[Params, jax.Array]:
    """Adam over all steps of `data.order`; every leaf of params and traits has a lanes axis.

    Args:
      in_place: write the updated params over the old ones, not over a copy. It changes no result
        with finite gradients. XLA's older loop emitters vectorise the copy only.

    Returns:
      The trained params, and whether every loss was finite, [lanes] bool.
    """
    return _over_lanes(lambda p, t: _fit(p, plan, t, data, recipe, in_place), params, traits)


def train_and_measure(
    params: Params,
    traits: Traits,
    data: DeviceData,
    *,
    plan: Plan,
    recipe: Recipe,
    in_place: bool = True,
) -> tuple[jax.Array, jax.Array]:
    """Trains the lanes as `fit` does and measures them.

    Returns:
      Whether each validation image is classified correctly, [lanes, M * chunk] bool (padding never
      is), and whether every training loss was finite, [lanes] bool.
    """

    def lane(params: Params, traits: Traits) -> tuple[jax.Array, jax.Array]:
        params, finite = _fit(params, plan, traits, data, recipe, in_place)
        return _measure(params, plan, traits, data, recipe), finite

    return _over_lanes(lane, params, traits)


def train_epoch_and_measure(
    progress: Progress,
    traits: Traits,
    data: DeviceData,
    epoch: jax.Array,
    *,
    plan: Plan,
    recipe: Recipe,
    num_classes: int,
    in_place: bool = True,
) -> tuple[Progress, jax.Array]:
    """Trains the lanes for epoch number `epoch` [] int32 and measures as `train_and_measure`."""
    steps = len(data.order) // recipe.epochs
    order = jax.lax.dynamic_slice_in_dim(data.order, epoch * steps, steps)

    def lane(progress: Progress, traits: Traits) -> tuple[Progress, jax.Array]:
        progress = train_steps(progress, order, plan, traits, data, recipe, num_classes, in_place)
        params = network.unpack(progress.packed, plan, data.train_images.shape[1:], num_classes)
        return progress, _measure(params, plan, traits, data, recipe)

    return _over_lanes(lane, progress, traits)


def _over_lanes(function: Callable[[S, Traits], T], state: S, traits: Traits) -> T:
    """`vmap` over lanes. A single lane is computed without the axis: on a CPU in half the time."""
    if len(traits.width) > 1:
        return jax.vmap(function)(state, traits)
    found = function(*jax.tree.map(lambda leaf: leaf[0], (state, traits)))
    return jax.tree.map(lambda leaf: leaf[None], found)


def _fit(
    params: Params, plan: Plan, traits: Traits, data: DeviceData, recipe: Recipe, in_place: bool
) -> tuple[Params, jax.Array]:
    packed, classes = network.pack(params), len(params[-1]["b"])
    optimizer = optax.adam(learning_rate(recipe, len(data.order)))
    progress = Progress(packed, optimizer.init(packed), jnp.asarray(True))
    progress = train_steps(progress, data.order, plan, traits, data, recipe, classes, in_place)
    params = network.unpack(progress.packed, plan, data.train_images.shape[1:], classes)
    return params, jnp.asarray(progress.finite)


def train_steps(
    progress: Progress,
    order: jax.Array,
    plan: Plan,
    traits: Traits,
    data: DeviceData,
    recipe: Recipe,
    num_classes: int,
    in_place: bool,
) -> Progress:
    """One lane's Adam steps on the batches of `order` [steps, batch]."""
    optimizer = optax.adam(learning_rate(recipe, len(data.order)))
    gradient_fn = jax.value_and_grad(loss_fn)
    image_shape = data.train_images.shape[1:]

    def step(progress: Progress, batch: jax.Array) -> tuple[Progress, None]:
        packed, state, finite = progress
        images, labels = (
            jnp.take(values, batch, axis=0, mode="clip")
            for values in (data.train_images, data.train_labels)
        )
        params = network.unpack(packed, plan, image_shape, num_classes)
        loss, gradients = gradient_fn(params, images, labels, plan, traits, recipe.precision)
        packed_gradients = network.pack(gradients)
        updates, state = optimizer.update(packed_gradients, state)
        if in_place:
            # The first gradient is computed last, when no param is read any more. XLA keeps a copy
            # of the params unless the updates depend on that gradient.
            one = jnp.exp(0 * packed_gradients[0][0])
            updates = jax.tree.map(lambda update: one * update, updates)
        packed = optax.apply_updates(packed, updates)
        return Progress(packed, state, finite & jnp.isfinite(loss)), None

    return jax.lax.scan(step, progress, order)[0]


def _measure(
    params: Params, plan: Plan, traits: Traits, data: DeviceData, recipe: Recipe
) -> jax.Array:
    """Whether one lane classifies each validation image correctly, [M * chunk] bool."""

    def chunk(_: None, batch: tuple[jax.Array, jax.Array]) -> tuple[None, jax.Array]:
        images, labels = batch
        logits = network.apply(params, images, plan, traits, recipe.precision)
        return None, logits.argmax(-1) == labels

    _, correct = jax.lax.scan(chunk, None, (data.validation_images, data.validation_labels))
    return correct.reshape(-1)


def initial_draws(seed_key: jax.Array, candidate_id: int, count: int) -> np.ndarray:
    """A candidate's initial weights before scaling, [count] float32 in [-1, 1)."""
    # One small program draws them in blocks: a random generator in every candidate's program would
    # take longer to compile than the rest of it.
    key = stream(seed_key, "initial weights", candidate_id)
    blocks = [np.asarray(_draw_block(key, i)) for i in range(-(-count // DRAW_BLOCK))]
    return np.concatenate(blocks)[:count]


@jax.jit
def _draw_block(key: jax.Array, block: int) -> jax.Array:
    return jax.random.uniform(jax.random.fold_in(key, block), (DRAW_BLOCK,), minval=-1, maxval=1)
