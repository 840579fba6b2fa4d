"""The transformer that TRL-HPO's actor and critic share (paper, IV; Vaswani et al., 2017)."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


def sinusoidal_positions(length: int, width: int) -> np.ndarray:
    """[length, width] float32: sin and cos of pos / 10000^(2i / width) (Vaswani et al., 3.5)."""
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
        """[L, E] -> ([L, E], attention weights [heads, L, L], rows sum to 1)."""
        length, width = x.shape
        head_width = width // self.num_heads
        heads = x.reshape(length, self.num_heads, head_width)
        projected = []
        for name in ("query", "key", "value"):
            if self.projections == "shared":
                projected.append(nn.Dense(head_width, use_bias=False, name=name)(heads))
            else:
                flat = nn.Dense(width, use_bias=False, name=name)(x)
                projected.append(flat.reshape(heads.shape))
        query, key, value = projected
        scores = jnp.einsum("qhd,khd->hqk", query, key) / np.sqrt(head_width)
        attention = jax.nn.softmax(scores)
        mixed = jnp.einsum("hqk,khd->qhd", attention, value).reshape(length, width)
        return nn.Dense(width, name="out")(mixed), attention


class Transformer(nn.Module):
    """Positions, blocks of (attention, feed-forward), then linear over the flattened sequence.

    Layer norm follows the residual, dropout follows layer norm, as in the released code.

    Attributes:
      num_outputs: values of the linear layer at the end.
      num_blocks, num_heads, expansion: 2, 4 and 4 in the paper.
      projections: see SelfAttention.
      dropout: rate, in effect only with a "dropout" random stream and `train=True`.
    """

    num_outputs: int
    num_blocks: int = 2
    num_heads: int = 4
    expansion: int = 4
    projections: Literal["shared", "standard"] = "shared"
    dropout: float = 0.2

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """[L, E] -> ([num_outputs], attention [blocks, heads, L, L])."""
        length, width = x.shape
        x = x * np.float32(np.sqrt(width)) + sinusoidal_positions(length, width)
        recorded = []
        for i in range(self.num_blocks):
            mixed, attention = SelfAttention(
                self.num_heads, self.projections, name=f"attention_{i}"
            )(x)
            recorded.append(attention)
            x = self._norm(x + mixed, f"norm_attention_{i}", train)
            hidden = nn.relu(nn.Dense(self.expansion * width, name=f"expand_{i}")(x))
            x = x + nn.Dense(width, name=f"contract_{i}")(hidden)
            x = self._norm(x, f"norm_feed_forward_{i}", train)
        return nn.Dense(self.num_outputs, name="head")(x.reshape(-1)), jnp.stack(recorded)

    def _norm(self, x: jax.Array, name: str, train: bool) -> jax.Array:
        x = nn.LayerNorm(epsilon=1e-5, name=name)(x)
        return nn.Dropout(self.dropout, deterministic=not train)(x)
