"""Which networks and layers are measured: a seeded sample, spread from small to large."""

from collections.abc import Sequence

import jax
import numpy as np

from nasjax.errors import UserError
from nasjax.profiling import programs
from nasjax.profiling.blocks import NAS_BENCH_MACRO
from nasjax.profiling.cells import NAS_BENCH_201
from nasjax.profiling.chains import LAYER_CHAIN
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.programs import ProfiledSpace, Program
from nasjax.streams import stream

# A space to be profiled is added here.
SPACES: dict[str, ProfiledSpace] = {
    "nas_bench_201": NAS_BENCH_201,
    "nas_bench_macro": NAS_BENCH_MACRO,
    "layer_chain": LAYER_CHAIN,
}
_DRAWN = 20  # random architectures for each that is measured


def draw(config: ProfileConfig) -> list[Program]:
    """The networks, then the layers.

    Raises:
      UserError: the space has too few networks, or none for such images; too many are asked for.
    """
    entry, root_key = SPACES[config.space], jax.random.key(config.seed)
    if config.networks > entry.most_networks:
        raise UserError(
            f"--networks={config.networks}; it must be at most {entry.most_networks} of "
            f"{config.space}, all of which are in memory at a time"
        )
    space = entry.make(config.image_size, config.classes)
    keys = jax.random.split(stream(root_key, "profile/sample"), _DRAWN * config.networks)
    drawn = np.unique(np.asarray(jax.jit(jax.vmap(space.sample))(keys)), axis=0)
    if len(drawn) < config.networks:
        raise UserError(
            f"--networks={config.networks}; it must be at most {len(drawn)}, the different ones "
            f"that were drawn of {config.space}"
        )
    networks = programs.networks(entry, space, drawn)
    chosen = spread(stream(root_key, "profile/networks"), _macs(networks), config.networks)
    layers = programs.layers(entry, space, drawn[chosen])
    count = min(config.layers, len(layers))
    some = spread(stream(root_key, "profile/layers"), _macs(layers), count)
    return [*(networks[i] for i in chosen), *(layers[i] for i in some)]


def spread(key: jax.Array, sizes: Sequence[float], count: int) -> list[int]:
    """Indices of so many: one, at random, of each of equal parts in the order of size.

    The key is consumed.
    """
    order = np.argsort(np.asarray(sizes), kind="stable")
    bounds = np.linspace(0, len(order), count + 1).astype(int)
    steps = np.asarray(jax.random.uniform(key, (count,))) * np.diff(bounds)
    return [int(order[place]) for place in bounds[:-1] + steps.astype(int)]


def _macs(some: Sequence[Program]) -> list[float]:
    return [one.features["macs"] for one in some]
