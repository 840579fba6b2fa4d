"""Boosted trees as arrays, evaluated in JAX: what XGBoost itself predicts, inside jit.

Every tree is filled up to a complete one of the same depth, and trees share their splits, which are
few where features are counts. So there is nothing to walk. Each split is decided once, for 32 rows
in the bits of a word; which leaf a row falls into takes a few operations on words; only the leaf's
value is chosen row by row, of half as many leaves at every level.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.errors import UserError

_WORD = 32  # rows in a word
_WORDS = 128  # evaluated together: enough to be worth a step, few enough for a core's cache
_DECIDED = 2**20  # splits times words: what may be held of decisions, 4 bytes each
_NODE = np.dtype([("feature", np.int32), ("threshold", np.float32), ("missing_left", np.bool_)])


class Trees(NamedTuple):
    """M members of T trees of depth D, with S splits.

    Node i of a tree has the children 2 i + 1 (left) and 2 i + 2.

    Attributes:
      feature: [S] int32; threshold: [S] float32; a row goes left if its value is below.
      missing_left: [S] bool, where a row goes whose value is missing (NaN).
      split: [M, T, 2^D - 1] int32, that of each node.
      leaf: [M, T, 2^D] float32.
      base: [M] float32, what the leaves' values are added to.
    """

    feature: Any
    threshold: Any
    missing_left: Any
    split: Any
    leaf: Any
    base: Any


def evaluate(trees: Trees, features: jax.Array) -> jax.Array:
    """[N, F] -> [M, N]: the sum of each member's leaves.

    Under `vmap` over features, as in a search over many seeds, all rows share words.
    """

    @jax.custom_batching.custom_vmap
    def of(trees: Trees, features: jax.Array) -> jax.Array:
        return _evaluate(trees, features)

    @of.def_vmap
    def of_batch(size: int, batched: Any, trees: Trees, features: jax.Array) -> tuple[Any, bool]:
        if any(jax.tree.leaves(batched[0])):  # other trees for each
            axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, batched)
            return jax.vmap(_evaluate, in_axes=tuple(axes))(trees, features), True
        rows = features.shape[1]
        sums = of(trees, features.reshape(size * rows, -1))
        return sums.reshape(-1, size, rows).transpose(1, 0, 2), True

    return of(trees, features)


def _evaluate(trees: Trees, features: jax.Array) -> jax.Array:
    count, splits = len(features), len(trees.feature)
    words = max(1, min(_WORDS, -(-count // _WORD), _DECIDED // splits))
    chunks = max(1, -(-count // (words * _WORD)))
    padded = jnp.pad(features, ((0, chunks * words * _WORD - count), (0, 0)))
    columns = padded.reshape(chunks, words * _WORD, -1).transpose(0, 2, 1)
    sums = jax.lax.map(lambda chunk: _sums(trees, chunk), columns)  # [chunks, M, words, 32]
    return sums.transpose(1, 0, 2, 3).reshape(len(trees.base), -1)[:, :count]


def _sums(trees: Trees, columns: jax.Array) -> jax.Array:
    """[F, N] -> [M, N / 32, 32]."""
    left = columns[trees.feature] < trees.threshold[:, None]
    left |= jnp.isnan(columns)[trees.feature] & trees.missing_left[:, None]
    places = jnp.arange(_WORD, dtype=jnp.uint32)[None, None]
    bits = left.reshape(len(left), -1, _WORD).astype(jnp.uint32) << places
    decided = bits.sum(-1, dtype=jnp.uint32)  # [S, N / 32]

    def add(sums: jax.Array, tree: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        split, leaf = tree
        value = [leaf[:, place, None, None] for place in range(leaf.shape[1])]
        for turn in _path(decided[split]):
            is_left = (turn[..., None] >> places) & 1 != 0
            half = len(value) // 2
            value = [jnp.where(is_left, value[i], value[half + i]) for i in range(half)]
        return sums + value[0], None

    shape = (len(trees.base), decided.shape[1], _WORD)
    start = jnp.broadcast_to(trees.base[:, None, None], shape)
    one_by_one = jnp.swapaxes(trees.split, 0, 1), jnp.swapaxes(trees.leaf, 0, 1)
    return jax.lax.scan(add, start, one_by_one)[0]


def _path(left: jax.Array) -> list[jax.Array]:
    """Of a tree's nodes [M, 2^D - 1, words] -> of every level [M, words]: left, on the way."""
    turns: list[jax.Array] = []
    while (first := 2 ** len(turns) - 1) < left.shape[1]:
        nodes = left[:, first : 2 * first + 1]
        for turn in turns:
            half = nodes.shape[1] // 2
            nodes = nodes[:, :half] & turn[:, None] | nodes[:, half:] & ~turn[:, None]
        turns.append(nodes[:, 0])
    return turns


def xgboost() -> Any:
    """The library; only fitting needs it.

    Raises:
      UserError: it is not installed.
    """
    try:
        import xgboost as library
    except ImportError as error:
        raise UserError(
            "fitting boosted trees needs XGBoost, which is not installed; "
            "pip install 'nasjax[predictors]'"
        ) from error
    return library


def of_xgboost(boosters: Sequence[Any]) -> Trees:
    """The trees of fitted `xgboost.Booster`s, the members.

    Their objective must be one whose prediction is the sum of leaves itself, such as squared error,
    or whose sum is wanted, such as the log odds of a logistic one.
    """
    models = [json.loads(bytes(booster.save_raw("json")))["learner"] for booster in boosters]
    of_members = [model["gradient_booster"]["model"]["trees"] for model in models]
    depth = max(_depth(tree) for trees in of_members for tree in trees)
    shape = (len(boosters), max(map(len, of_members)))
    nodes = np.zeros((*shape, 2**depth - 1), _NODE)
    leaf = np.zeros((*shape, 2**depth), np.float32)
    for member, trees in enumerate(of_members):
        for place, tree in enumerate(trees):
            _fill(tree, nodes[member, place], leaf[member, place])
    splits, split = np.unique(nodes, return_inverse=True)
    # A power of two of them, so that fits to other data mostly share a compiled program.
    splits = np.resize(splits, 1 << (len(splits) - 1).bit_length())
    return Trees(
        feature=splits["feature"].copy(),
        threshold=splits["threshold"].copy(),
        missing_left=splits["missing_left"].copy(),
        split=split.reshape(nodes.shape).astype(np.int32),
        leaf=leaf,
        base=np.array([_base(model) for model in models], np.float32),
    )


def _base(model: dict[str, Any]) -> float:
    """The margin that an XGBoost model starts from."""
    text = model["learner_model_param"]["base_score"].strip("[]")
    objective = model["objective"]["name"]
    assert objective in ("reg:squarederror", "binary:logistic")  # those that are fitted here
    score = float(text)
    return score if objective == "reg:squarederror" else float(np.log(score / (1 - score)))


def _depth(tree: dict[str, Any]) -> int:
    """The longest path from the root to a leaf, at least 1."""
    below, level = [0], 0
    while below:
        children = [
            child
            for node in below
            for child in (tree["left_children"][node], tree["right_children"][node])
        ]
        below = [child for child in children if child >= 0]
        level += bool(below)
    return max(level, 1)


def _fill(tree: dict[str, Any], nodes: np.ndarray, leaf: np.ndarray) -> None:
    """Writes a tree of XGBoost's JSON as a complete one: below a leaf, both ways lead to it."""

    def fill(place: int, node: int) -> None:
        """Writes the node of XGBoost's and all below it to a place of the complete tree."""
        is_leaf = tree["left_children"][node] < 0
        if place >= len(nodes):
            leaf[place - len(nodes)] = tree["split_conditions"][node]
            return
        if not is_leaf:
            names = ("split_indices", "split_conditions", "default_left")
            nodes[place] = tuple(tree[name][node] for name in names)
        fill(2 * place + 1, node if is_leaf else tree["left_children"][node])
        fill(2 * place + 2, node if is_leaf else tree["right_children"][node])

    fill(0, 0)
