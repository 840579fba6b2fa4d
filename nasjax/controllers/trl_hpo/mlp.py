"""A multi-layer perceptron of about the transformer's size, in its place."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from nasjax.controllers.trl_hpo.transformer import dropout_masks


def hidden_width(num_params: int, num_inputs: int, num_outputs: int) -> int:
    """The width h of two hidden layers that gives an MLP closest to `num_params` parameters.

    (inputs + 1) h + (h + 1) h + (h + 1) outputs = params, solved for h > 0 and rounded.
    """
    linear = num_inputs + 2 + num_outputs
    root = math.sqrt(linear**2 + 4 * (num_params - num_outputs))
    return max(1, round((root - linear) / 2))


class Mlp(nn.Module):
    """Two hidden layers, each with dropout, over the flattened sequence; as `Transformer`."""

    num_outputs: int
    width: int
    dropout: float = 0.2

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """Outputs [..., num_outputs] and no attention [..., 0, 0, L, L], from x [..., L, E]."""
        *rows, length, width = x.shape
        x = x.reshape(*rows, length * width)
        kept = dropout_masks(self, (2, *rows, self.width), self.dropout, train)
        for i in range(2):
            x = nn.relu(nn.Dense(self.width, name=f"hidden_{i}")(x)) * kept[i]
        empty = jnp.zeros((*rows, 0, 0, length, length))
        return nn.Dense(self.num_outputs, name="head")(x), empty
