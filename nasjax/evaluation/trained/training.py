"""Trains the lanes of one plan from scratch and measures them: one compiled program per plan."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasjax.config import check
from nasjax.evaluation.trained import network
from nasjax.evaluation.trained.network import Packed, Params, Plan, Traits
from nasjax.streams import stream

EVALUATION_CHUNK = 128  # images per forward pass when measuring; bounds the memory of im2col
DRAW_BLOCK = 1 << 16

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a candidate is trained (TRL-HPO's released code: Adam 1e-3, batch 16, 5 epochs).

    Attributes:
      schedule: of the learning rate: "constant", as released, or "cosine" to zero at the last step.
      validation_batches, validation_batch_size: the first images of the validation split, in fixed
        batches whose accuracies the controller sees.
    """

    epochs: int = 5
    batch_size: int = 16
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    validation_batches: int = 32
    validation_batch_size: int = 16

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "validation_batches", "validation_batch_size"):
            check(getattr(self, name) >= 1, f"evaluator.{name}", getattr(self, name), ">= 1")
        small = self.validation_batch_size <= 255  # counts are kept as uint8
        check(small, "evaluator.validation_batch_size", self.validation_batch_size, "at most 255")
        check(self.learning_rate > 0, "evaluator.learning_rate", self.learning_rate, "> 0")


class DeviceData(NamedTuple):
    """The search splits on the device, shared by all lanes.

    Attributes:
      train_images: [N, H, W, C] float32; train_labels: [N] int32.
      validation_images: [M, chunk, H, W, C], padded; validation_labels: [M, chunk], -1 = padding.
      order: [steps, batch] int32, the training images of every step of every epoch.
    """

    train_images: jax.Array
    train_labels: jax.Array
    validation_images: jax.Array
    validation_labels: jax.Array
    order: jax.Array


def batch_order(seed_key: jax.Array, recipe: Recipe, num_images: int) -> np.ndarray:
    """[steps, batch] int32: a permutation per epoch, its incomplete last batch left out.

    It depends on the seed and the number of images alone, so all candidates share their batches.
    """
    steps = num_images // recipe.batch_size
    epochs = []
    for epoch in range(recipe.epochs):
        order = jax.random.permutation(stream(seed_key, "batches", epoch), num_images)
        epochs.append(np.asarray(order[: steps * recipe.batch_size]).reshape(steps, -1))
    return np.concatenate(epochs).astype(np.int32)


def chunked(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels in chunks of EVALUATION_CHUNK; the last one padded with label -1."""
    missing = -len(labels) % EVALUATION_CHUNK
    images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
    labels = np.concatenate([labels, np.full(missing, -1, np.int32)])
    return (
        images.reshape(-1, EVALUATION_CHUNK, *images.shape[1:]),
        labels.reshape(-1, EVALUATION_CHUNK),
    )


def loss_fn(
    params: Params, images: jax.Array, labels: jax.Array, plan: Plan, traits: Traits
) -> jax.Array:
    """Mean softmax cross-entropy of one candidate on one batch."""
    logits = network.apply(params, images, plan, traits)
    # Against one-hot labels it compiles to fewer kernels than with a gather and its scatter.
    one_hot = jax.nn.one_hot(labels, logits.shape[-1])
    return optax.losses.softmax_cross_entropy(logits, one_hot).mean()


def learning_rate(recipe: Recipe, steps: int) -> float | optax.Schedule:
    """The recipe's learning rate over so many steps."""
    if recipe.schedule == "cosine":
        return optax.cosine_decay_schedule(recipe.learning_rate, steps)
    return recipe.learning_rate


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
      in_place: the updated params are written over the old ones, not over a copy. It changes no
        result; XLA's older loop emitters vectorise the copy only.

    Returns:
      The trained params, and [lanes] bool: every loss was finite.
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
    """Trains and measures the lanes, from their initial params; see `fit`.

    Returns:
      [lanes, M * chunk] bool, which validation images are classified correctly (padding never is),
      and [lanes] bool: every training loss was finite.
    """

    def lane(params: Params, traits: Traits) -> tuple[jax.Array, jax.Array]:
        params, finite = _fit(params, plan, traits, data, recipe, in_place)

        def chunk(_: None, batch: tuple[jax.Array, jax.Array]) -> tuple[None, jax.Array]:
            images, labels = batch
            return None, network.apply(params, images, plan, traits).argmax(-1) == labels

        _, correct = jax.lax.scan(chunk, None, (data.validation_images, data.validation_labels))
        return correct.reshape(-1), finite

    return _over_lanes(lane, params, traits)


def _over_lanes(function: Callable[[Params, Traits], T], params: Params, traits: Traits) -> T:
    """`vmap`, but a single lane is computed without the axis, which doubles its time on a CPU."""
    if len(traits.width) > 1:
        return jax.vmap(function)(params, traits)
    found = function(*jax.tree.map(lambda leaf: leaf[0], (params, traits)))
    return jax.tree.map(lambda leaf: leaf[None], found)


def _fit(
    params: Params, plan: Plan, traits: Traits, data: DeviceData, recipe: Recipe, in_place: bool
) -> tuple[Params, jax.Array]:
    """One lane of `fit`."""
    optimizer = optax.adam(learning_rate(recipe, len(data.order)))
    gradient_fn = jax.value_and_grad(loss_fn)

    unpack = functools.partial(
        network.unpack,
        plan=plan,
        input_shape=data.train_images.shape[1:],
        num_classes=len(params[-1]["b"]),
    )

    Carry = tuple[Packed, optax.OptState, jax.Array]

    def step(carry: Carry, batch: jax.Array) -> tuple[Carry, None]:
        packed, state, finite = carry
        images, labels = (
            jnp.take(values, batch, axis=0, mode="clip")
            for values in (data.train_images, data.train_labels)
        )
        loss, gradients = gradient_fn(unpack(packed), images, labels, plan, traits)
        packed_gradients = network.pack(gradients)
        updates, state = optimizer.update(packed_gradients, state)
        if in_place:
            # The first gradient is the last one known, when no param is read any more; XLA keeps a
            # copy of the params unless the updates depend on it.
            one = jnp.exp(0 * packed_gradients[0][0])
            updates = jax.tree.map(lambda update: one * update, updates)
        packed = optax.apply_updates(packed, updates)
        return (packed, state, finite & jnp.isfinite(loss)), None

    packed = network.pack(params)
    carry = (packed, optimizer.init(packed), jnp.asarray(True))
    (packed, _, finite), _ = jax.lax.scan(step, carry, data.order)
    return unpack(packed), finite


def initial_draws(seed_key: jax.Array, candidate_id: int, count: int) -> np.ndarray:
    """[count] float32 in [-1, 1): a candidate's initial weights before scaling.

    They are drawn in blocks by one small program, because compiling a random generator into every
    candidate's program takes longer than all the rest of it.
    """
    key = stream(seed_key, "initial weights", candidate_id)
    blocks = [np.asarray(_draw_block(key, i)) for i in range(-(-count // DRAW_BLOCK))]
    return np.concatenate(blocks)[:count]


@jax.jit
def _draw_block(key: jax.Array, block: int) -> jax.Array:
    return jax.random.uniform(jax.random.fold_in(key, block), (DRAW_BLOCK,), minval=-1, maxval=1)
