"""Boosted trees as arrays, evaluated in JAX: what XGBoost itself predicts, inside jit.

Every tree is filled up to a complete one of the same depth. Then there is nothing to walk: all its
comparisons are made at once, for all rows, and the leaves are folded pairwise from the bottom up.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.errors import UserError

_ROWS = 1024  # evaluated together: what is compared then stays in a core's cache


class Trees(NamedTuple):
    """M members of T trees of depth D. Node i has the children 2 i + 1 (left) and 2 i + 2.

    Attributes:
      feature: [M, T, 2^D - 1] int32; threshold: the same in float32; a row goes left if its value
        is below.
      missing_left: [M, T, 2^D - 1] bool, where a row goes whose value is missing (NaN).
      leaf: [M, T, 2^D] float32.
      base: [M] float32, what the leaves' values are added to.
    """

    feature: Any
    threshold: Any
    missing_left: Any
    leaf: Any
    base: Any


def evaluate(trees: Trees, features: jax.Array) -> jax.Array:
    """[N, F] -> [M, N]: the sum of each member's leaves."""
    count = len(features)
    chunks = -(-count // _ROWS)
    size = -(-count // chunks)
    padded = jnp.pad(features, ((0, chunks * size - count), (0, 0)))
    columns = padded.reshape(chunks, size, -1).transpose(0, 2, 1)
    sums = jax.lax.map(lambda chunk: _evaluate(trees, chunk), columns)  # [chunks, M, size]
    return sums.transpose(1, 0, 2).reshape(len(trees.base), -1)[:, :count]


def _evaluate(trees: Trees, columns: jax.Array) -> jax.Array:
    """[F, N] -> [M, N]."""
    depth = int(np.log2(trees.leaf.shape[-1]))
    missing = jnp.isnan(columns)

    def add(sums: jax.Array, tree: Trees) -> tuple[jax.Array, None]:
        left = columns[tree.feature] < tree.threshold[..., None]  # [M, nodes, N]
        left |= missing[tree.feature] & tree.missing_left[..., None]
        value = jnp.broadcast_to(tree.leaf[..., None], (*tree.leaf.shape, columns.shape[1]))
        for level in reversed(range(depth)):
            of_level = left[:, 2**level - 1 : 2 ** (level + 1) - 1]
            value = jnp.where(of_level, value[:, 0::2], value[:, 1::2])
        return sums + value[:, 0], None

    start = jnp.broadcast_to(trees.base[:, None], (len(trees.base), columns.shape[1]))
    one_by_one = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), trees._replace(base=None))
    return jax.lax.scan(add, start, one_by_one)[0]


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
    most = max(map(len, of_members))
    stacked = []
    for trees in of_members:
        complete = [_complete(tree, depth) for tree in trees]
        nothing = jax.tree.map(np.zeros_like, complete[0])
        stacked.append(_stack(complete + [nothing] * (most - len(trees))))
    base = np.array([_base(model) for model in models], np.float32)
    return _stack(stacked)._replace(base=base)


def _stack(trees: Sequence[Trees]) -> Trees:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


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


def _complete(tree: dict[str, Any], depth: int) -> Trees:
    """A tree of XGBoost's JSON filled up: below a leaf, both ways lead to its value."""
    nodes = 2**depth - 1
    feature, threshold = np.zeros(nodes, np.int32), np.zeros(nodes, np.float32)
    missing_left, leaf = np.zeros(nodes, bool), np.zeros(2**depth, np.float32)

    def fill(place: int, node: int) -> None:
        """Writes the node of XGBoost's and all below it to a place of the complete tree."""
        is_leaf = tree["left_children"][node] < 0
        if place >= nodes:
            leaf[place - nodes] = tree["split_conditions"][node]
            return
        if not is_leaf:
            feature[place] = tree["split_indices"][node]
            threshold[place] = tree["split_conditions"][node]
            missing_left[place] = tree["default_left"][node]
        fill(2 * place + 1, node if is_leaf else tree["left_children"][node])
        fill(2 * place + 2, node if is_leaf else tree["right_children"][node])

    fill(0, 0)
    return Trees(feature, threshold, missing_left, leaf, base=0)
