"""The contract of a space: `nasjax.types.Space` and, where it has their methods, its extensions."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.streams import stream

_DRAWN = 32  # architectures that everything is tried on


def check_space(space: Any, seed: int = 0) -> None:
    """Raises an AssertionError unless the space keeps its contract.

    Checked where it has them: `mutate`; `options` and `allowed`; `neighbours`; `index_words`,
    `index_from_words` and `from_index`; `features`.
    """
    shape = (space.num_layers, space.layer_width)
    root_key = jax.random.key(seed)

    def keys(name: str) -> jax.Array:
        return jax.random.split(stream(root_key, name), _DRAWN)

    drawn = np.asarray(jax.jit(jax.vmap(space.sample))(keys("sample")))
    assert drawn.shape == (_DRAWN, *shape) and drawn.dtype == np.int32, (
        f"sample must give int32 {shape}, it gives {drawn.dtype} {drawn.shape[1:]}"
    )
    again = np.stack([np.asarray(space.sample(key)) for key in keys("sample")[:2]])
    assert (again == drawn[:2]).all(), "sample must give the same in and out of a program"
    is_valid = jax.jit(jax.vmap(space.is_valid))
    assert is_valid(drawn).all(), "sample must give valid architectures"
    assert not is_valid(np.zeros((1, *shape), np.int32))[0], "no layer at all must be invalid"
    _check_words(space, drawn)
    _check_walk(space, stream(root_key, "walk"))
    if hasattr(space, "mutate"):
        mutants = jax.jit(jax.vmap(space.mutate))(keys("mutate"), drawn)
        assert mutants.shape == drawn.shape, "mutate must keep the shape"
        assert is_valid(mutants).all(), "mutate must give valid architectures"
        assert (np.asarray(mutants) != drawn).any((1, 2)).all(), "a mutant must differ"
    if hasattr(space, "options"):
        _check_options(space, drawn)
    if hasattr(space, "neighbours"):
        around = np.asarray(jax.jit(space.neighbours)(drawn[0]))
        assert is_valid(around).all(), "neighbours must be valid"
        differ = (around != drawn[0]).any(-1).sum(1)
        assert (differ == 1).all(), "neighbours must differ in one layer"
        assert len(np.unique(around, axis=0)) == len(around), "no neighbour may come twice"
    if hasattr(space, "from_index"):
        _check_index(space, drawn)
    _check_features(space, drawn)


def _check_words(space: Any, drawn: np.ndarray) -> None:
    for architecture in drawn:
        text, layers = space.to_text(architecture), space.to_layers(architecture)
        assert text and "\n" not in text, f"to_text must give one line, it gives {text!r}"
        assert json.loads(json.dumps(layers)) == layers, "to_layers must give plain data"
        built = int((architecture != 0).any(-1).sum())
        assert len(layers) == built, f"to_layers gives {len(layers)} of {built} layers"


def _check_walk(space: Any, key: jax.Array) -> None:
    """Actions drawn at random, layer by layer; what they decode to need not fit."""
    decode = jax.jit(jax.vmap(space.decode, in_axes=(0, None, None)))
    prefix = jnp.zeros((space.num_layers, space.layer_width), jnp.int32)
    for length in range(space.num_layers):
        key, action_key = jax.random.split(key)
        actions = jax.random.uniform(action_key, (3, space.action_size))
        # The ends of the interval are actions too.
        actions = actions.at[0].set(0.0).at[1].set(1.0)
        layers = np.asarray(decode(actions, prefix, jnp.int32(length)))
        expected = (3, space.layer_width)
        assert layers.shape == expected and layers.dtype == np.int32, "decode must give int32 [F]"
        assert (layers != 0).any(-1).all(), "decode must give a layer, not zeros"
        alone = space.decode(actions[2], prefix, jnp.int32(length))
        assert (np.asarray(alone) == layers[2]).all(), "decode must give the same under vmap"
        prefix = prefix.at[length].set(layers[2])


def _check_options(space: Any, drawn: np.ndarray) -> None:
    """Every layer of a valid architecture is an option, allowed where it stands."""
    options = np.asarray(space.options)
    assert options.ndim == 2 and options.shape[1] == space.layer_width, "options must be [K, F]"
    allowed = jax.jit(space.allowed)
    for architecture in drawn[:4]:
        for length in range(int((architecture != 0).any(-1).sum())):
            is_prefix = np.arange(space.num_layers)[:, None] < length
            may = np.asarray(allowed(np.where(is_prefix, architecture, 0), jnp.int32(length)))
            assert may.shape == (len(options) + 1,), "allowed must be [K + 1]"
            (place,) = np.flatnonzero((options == architecture[length]).all(1))
            assert may[place], f"layer {length} of {space.to_text(architecture)} is not allowed"


def _check_index(space: Any, drawn: np.ndarray) -> None:
    try:
        words = jax.jit(jax.vmap(space.index_words))(drawn)
    except ValueError:  # a space too large to be counted says so
        return
    found = space.from_index(space.index_from_words(words))
    assert (found == drawn).all(), "from_index must be the inverse of index"


def _check_features(space: Any, drawn: np.ndarray) -> None:
    if not hasattr(space, "features"):
        return
    try:
        together = np.asarray(jax.jit(jax.vmap(space.features))(drawn))
    except NotImplementedError:  # a space of slots that does not say what its networks are
        return
    names = space.feature_names
    assert together.shape == (_DRAWN, len(names)), "there must be a name for every feature"
    assert together.dtype == np.float32 and not np.isinf(together).any(), "features are float32"
    alone = np.asarray(jax.jit(space.features)(drawn[0]))
    np.testing.assert_allclose(alone, together[0], rtol=1e-6, err_msg="features differ under vmap")
