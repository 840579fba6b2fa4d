"""Draws the committed list of random chains: python -m benchmarks.draw_architectures.

48 chains of layer_chain at 28x28x1, 10 classes: length uniform from 1 to 6, kinds and
hyper-parameters uniform among the allowed, invalid chains drawn anew at the same length.
"""

import json
import pathlib

import jax
import numpy as np

from nasjax.spaces.layer_chain import LayerChain

PATH = pathlib.Path(__file__).with_name("architectures.json")
INPUT_SHAPE, NUM_CLASSES, COUNT, SEED = (28, 28, 1), 10, 48, 0


def main() -> None:
    """Writes architectures.json beside this file."""
    space = LayerChain(INPUT_SHAPE, NUM_CLASSES)
    keys = jax.random.split(jax.random.key(SEED), COUNT)
    drawn = np.asarray(jax.vmap(space.sample)(keys))
    lines = ",\n  ".join(json.dumps(space.to_layers(chain)) for chain in drawn)
    PATH.write_text(f"[\n  {lines}\n]\n")


if __name__ == "__main__":
    main()
