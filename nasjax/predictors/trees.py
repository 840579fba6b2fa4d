"""Evaluates boosted trees in JAX, inside jit, with the predictions of XGBoost itself.

Every tree is filled up to a complete tree of the same depth. Trees share their splits, which are
few where features are counts. So no tree is walked. Each split is decided once, for 32 rows in the
bits of a word. The leaf of a row takes a few operations on words. Only the value of the leaf is
selected row by row, among half as many leaves at every level.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_WORD = 32  # rows in a word
_WORDS = 128  # words per step: enough to be worth it, few enough for a core's cache
_DECIDED = 2**20  # largest number of splits times words; a decision takes 4 bytes
_NODE = np.dtype([("feature", np.int32), ("threshold", np.float32), ("missing_left", np.bool_)])


class Trees(NamedTuple):
    """M members of T trees of depth D, with S splits.

    Node i of a tree has the children 2 i + 1 (left) and 2 i + 2.
    """

    feature: Any  # [S] int32
    threshold: Any  # [S] float32; a row goes left if its value is below
    missing_left: Any  # [S] bool, whether a row goes left whose value is missing (NaN)
    split: Any  # [M, T, 2^D - 1] int32, the split of each node
    leaf: Any  # [M, T, 2^D] float32
    base: Any  # [M] float32, the constant that the leaves' values are added to


def evaluate(trees: Trees, features: jax.Array) -> jax.Array:
    """The sum of each member's leaves, features [N, F] -> [M, N].

    Under `vmap` over features, as in a search over many seeds, all rows share words.
    """

    @jax.custom_batching.custom_vmap
    def evaluate_rows(trees: Trees, features: jax.Array) -> jax.Array:
        return _evaluate(trees, features)

    @evaluate_rows.def_vmap
    def evaluate_batch(
        size: int, batched: Any, trees: Trees, features: jax.Array
    ) -> tuple[Any, bool]:
        if any(jax.tree.leaves(batched[0])):  # each has its own trees
            axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, batched)
            return jax.vmap(_evaluate, in_axes=tuple(axes))(trees, features), True
        rows = features.shape[1]
        sums = evaluate_rows(trees, features.reshape(size * rows, -1))
        return sums.reshape(-1, size, rows).transpose(1, 0, 2), True

    return evaluate_rows(trees, features)


def _evaluate(trees: Trees, features: jax.Array) -> jax.Array:
    count, splits = len(features), len(trees.feature)
    words = max(1, min(_WORDS, -(-count // _WORD), _DECIDED // splits))
    chunks = max(1, -(-count // (words * _WORD)))
    padded = jnp.pad(features, ((0, chunks * words * _WORD - count), (0, 0)))
    columns = padded.reshape(chunks, words * _WORD, -1).transpose(0, 2, 1)
    sums = jax.lax.map(lambda chunk: _sums(trees, chunk), columns)  # [chunks, M, words, 32]
    return sums.transpose(1, 0, 2, 3).reshape(len(trees.base), -1)[:, :count]


def _sums(trees: Trees, columns: jax.Array) -> jax.Array:
    """The sums [M, N / 32, 32] of N rows, features by columns [F, N]."""
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
    """Whether rows go left, [M, words] per level, from the nodes [M, 2^D - 1, words] of a tree."""
    turns: list[jax.Array] = []
    while (first := 2 ** len(turns) - 1) < left.shape[1]:
        nodes = left[:, first : 2 * first + 1]
        for turn in turns:
            half = nodes.shape[1] // 2
            nodes = nodes[:, :half] & turn[:, None] | nodes[:, half:] & ~turn[:, None]
        turns.append(nodes[:, 0])
    return turns


def from_xgboost(boosters: Sequence[Any]) -> Trees:
    """The trees of fitted `xgboost.Booster`s, one per member.

    Their sum is the value for a squared error, the log odds for a logistic objective.
    """
    models = [json.loads(bytes(booster.save_raw("json")))["learner"] for booster in boosters]
    members = [model["gradient_booster"]["model"]["trees"] for model in models]
    depth = max(1, *(_depth(tree) for trees in members for tree in trees))
    shape = (len(boosters), max(map(len, members)))
    nodes = np.zeros((*shape, 2**depth - 1), _NODE)
    leaf = np.zeros((*shape, 2**depth), np.float32)
    for member, trees in enumerate(members):
        for place, tree in enumerate(trees):
            _fill(tree, nodes[member, place], leaf[member, place])
    splits, split = np.unique(nodes, return_inverse=True)
    # Padded to a power of two, so that fits to other data mostly share a compiled program.
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
    assert objective in ("reg:squarederror", "binary:logistic")  # those that this project fits
    score = float(text)
    return score if objective == "reg:squarederror" else float(np.log(score / (1 - score)))


def _depth(tree: dict[str, Any], node: int = 0) -> int:
    """The longest path from a node to a leaf."""
    left, right = tree["left_children"][node], tree["right_children"][node]
    return 0 if left < 0 else 1 + max(_depth(tree, left), _depth(tree, right))


def _fill(
    tree: dict[str, Any], nodes: np.ndarray, leaf: np.ndarray, place: int = 0, node: int = 0
) -> None:
    """Writes XGBoost's node and all below it to a place of the complete tree; leaves repeat."""
    if place >= len(nodes):
        leaf[place - len(nodes)] = tree["split_conditions"][node]
        return
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left < 0:
        left = right = node
    else:
        names = ("split_indices", "split_conditions", "default_left")
        nodes[place] = tuple(tree[name][node] for name in names)
    _fill(tree, nodes, leaf, 2 * place + 1, left)
    _fill(tree, nodes, leaf, 2 * place + 2, right)
