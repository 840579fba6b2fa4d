"""Sequences of choices: what is chosen after the end stays the end."""

import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.controllers import sequences
from nasjax.spaces.layer_chain import LayerChain

SPACE = LayerChain((12, 12, 1), 10)


@pytest.mark.long
def test_nothing_comes_after_the_end_whatever_is_chosen_there():
    options = np.asarray(SPACE.options).tolist()
    conv, fc, end = options.index([1, 16, 3, 1]), options.index([2, 64, 1, 1]), len(options)
    wanted = jnp.asarray([conv, end, fc, end, fc, fc], jnp.int32)
    found = sequences.build(SPACE, lambda layer, *_: wanted[layer])
    assert found.choices.tolist() == [conv, end, end, end, end, end]
    assert found.architecture.tolist() == [[1, 16, 3, 1]] + 5 * [[0, 0, 0, 0]]
    assert bool(SPACE.is_valid(found.architecture))
