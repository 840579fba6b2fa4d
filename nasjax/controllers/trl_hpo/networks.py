"""Actor and critic: the same transformer, another head (TRL-HPO, IV); or an MLP of its size."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.mlp import Mlp, hidden_width
from nasjax.controllers.trl_hpo.transformer import Transformer

Params = Any


class Net(NamedTuple):
    """A pure function of parameters and the states [R, L, E] of R models.

    init: (key) -> params
    apply: (params, states) -> (outputs [R, ...], attention [R, blocks, heads, L, L])
    apply_train: (params, states, key) -> outputs [R, ...], with dropout
    """

    init: Callable[[jax.Array], Params]
    apply: Callable[[Params, jax.Array], tuple[jax.Array, jax.Array]]
    apply_train: Callable[[Params, jax.Array, jax.Array], jax.Array]


def make_actor(config: TrlHpoConfig, num_layers: int, action_size: int) -> Net:
    """The policy: [R, L, E] -> actions [R, A] in [0, 1]."""
    return _make_net(config, num_layers, action_size, nn.sigmoid)


def make_critic(config: TrlHpoConfig, num_layers: int) -> Net:
    """Q(s, a) [R] in [-1, 1], read on states in which the action's layer is already written."""
    return _make_net(config, num_layers, 1, lambda x: jnp.tanh(x[..., 0]))


def _make_net(
    config: TrlHpoConfig,
    num_layers: int,
    num_outputs: int,
    squash: Callable[[jax.Array], jax.Array],
) -> Net:
    module: Transformer | Mlp = Transformer(
        num_outputs=num_outputs,
        num_blocks=config.num_blocks,
        num_heads=config.num_heads,
        expansion=config.expansion,
        projections=config.projections,
        dropout=config.dropout,
    )
    empty = jnp.zeros((num_layers, config.embed_size))
    if config.network == "mlp":
        shapes = jax.eval_shape(module.init, jax.random.key(0), empty)
        size = sum(leaf.size for leaf in jax.tree.leaves(shapes))
        module = Mlp(num_outputs, hidden_width(size, empty.size, num_outputs), config.dropout)

    def apply(params: Params, states: jax.Array) -> tuple[jax.Array, jax.Array]:
        output: jax.Array
        attention: jax.Array
        output, attention = module.apply(params, states)  # type: ignore[assignment]
        return squash(output), attention

    def apply_train(params: Params, states: jax.Array, key: jax.Array) -> jax.Array:
        rngs = {"dropout": key}
        output: jax.Array = module.apply(params, states, train=True, rngs=rngs)[0]
        return squash(output)

    return Net(lambda key: module.init(key, empty), apply, apply_train)
