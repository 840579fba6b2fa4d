"""The transformer that TRL-HPO's actor and critic share (paper, IV; Vaswani et al., 2017)."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


def sinusoidal_positions(length: int, width: int) -> np.ndarray:
    """Encodings sin and cos of pos / 10000^(2i / width) (Vaswani et al., 3.5), [length, width]."""
    position = np.arange(length)[:, None]
    angle = position / 10000 ** (2 * np.arange((width + 1) // 2)[None] / width)
    pairs = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return pairs.reshape(length, -1)[:, :width].astype(np.float32)


class SelfAttention(nn.Module):
    """Multi-head self-attention, every position attends to every other (no mask).

    With `projections="shared"` all heads use the same three (width / heads)-square matrices
    without bias, as in TRL-HPO's released code; "standard" has a matrix of its own per head.
    """

    num_heads: int
    projections: Literal["shared", "standard"]

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """x [..., L, E] attended, and the weights [..., heads, L, L], whose rows sum to 1."""
        width = x.shape[-1]
        head_width = width // self.num_heads
        heads = (*x.shape[:-1], self.num_heads, head_width)
        projected = []
        for name in ("query", "key", "value"):
            if self.projections == "shared":
                flat = _project(nn.Dense(head_width, use_bias=False, name=name), x.reshape(heads))
            else:
                flat = _project(nn.Dense(width, use_bias=False, name=name), x)
            projected.append(flat.reshape(heads))
        query, key, value = projected
        scores = jnp.einsum("...qhd,...khd->...hqk", query, key) / np.sqrt(head_width)
        attention = jax.nn.softmax(scores)
        mixed = jnp.einsum("...hqk,...khd->...qhd", attention, value).reshape(x.shape)
        return _project(nn.Dense(width, name="out"), mixed), attention


class Transformer(nn.Module):
    """Positions, blocks of (attention, feed-forward), then linear over the flattened sequence.

    Layer norm follows the residual, dropout follows layer norm, as in the released code. Dropout
    is in effect only with a "dropout" random stream and `train=True`.
    """

    num_outputs: int  # values of the linear layer at the end
    num_blocks: int = 2
    num_heads: int = 4
    expansion: int = 4
    projections: Literal["shared", "standard"] = "shared"
    dropout: float = 0.2

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """Outputs [..., num_outputs], attention [..., blocks, heads, L, L], from x [..., L, E]."""
        *rows, length, width = x.shape
        positions = jnp.broadcast_to(sinusoidal_positions(length, width), x.shape)
        x = x * np.float32(np.sqrt(width)) + positions
        kept = dropout_masks(self, (2 * self.num_blocks, *x.shape), self.dropout, train)
        recorded = []
        for i in range(self.num_blocks):
            mixed, attention = SelfAttention(
                self.num_heads, self.projections, name=f"attention_{i}"
            )(x)
            recorded.append(attention)
            norm = nn.LayerNorm(epsilon=1e-5, name=f"norm_attention_{i}")
            x = norm(x + mixed) * kept[2 * i]
            expand = nn.Dense(self.expansion * width, name=f"expand_{i}")
            contract = nn.Dense(width, name=f"contract_{i}")
            norm = nn.LayerNorm(epsilon=1e-5, name=f"norm_feed_forward_{i}")
            x = norm(x + _project(contract, nn.relu(_project(expand, x)))) * kept[2 * i + 1]
        head = nn.Dense(self.num_outputs, name="head")
        return head(x.reshape(*rows, length * width)), jnp.stack(recorded, -4)


def dropout_masks(
    module: nn.Module, shape: tuple[int, ...], rate: float, train: bool
) -> jax.Array | np.ndarray:
    """Dropout's factors [N, ...] of N activations: 0 or 1 / (1 - rate); ones unless `train`.

    A value takes 16 random bits, so the rate is met to 1 / 2^17. There is one draw, because on a
    CPU every call of the generator is expensive.
    """
    if not train or rate == 0:
        return np.ones((shape[0], *[1] * (len(shape) - 1)), np.float32)
    bits = jax.random.bits(module.make_rng("dropout"), shape, jnp.uint16)
    return jnp.where(bits >= round(rate * 2**16), np.float32(1 / (1 - rate)), 0)


def _project(dense: nn.Dense, x: jax.Array) -> jax.Array:
    """A dense layer, [..., inputs] -> [..., outputs], as one matrix product, backwards too."""
    return dense(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], dense.features)
