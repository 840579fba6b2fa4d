"""Draws the programs of a profile: a seeded sample of a space, spread from small to large."""

import pkgutil
from collections.abc import Sequence

import jax
import numpy as np

from nasjax import registry
from nasjax.errors import UserError
from nasjax.profiling import programs
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.programs import ProfiledSpace, Program
from nasjax.streams import stream

_CANDIDATES = 20  # random architectures for each network of the sample


def profiled_spaces() -> list[str]:
    """Names of the spaces that can be profiled."""
    return [name for name, entry in registry.SPACES.items() if entry.profile]


def profiled_space(name: str) -> ProfiledSpace:
    """The profile that the space's entry in the registry names; a UserError if there is none."""
    profile = registry.find("space", name).profile
    if profile is None:
        names = ", ".join(profiled_spaces())
        raise UserError(f"--space={name} has no profile; spaces that have one: {names}")
    return pkgutil.resolve_name(profile)


def draw(config: ProfileConfig) -> list[Program]:
    """The networks of the sample from small to large, then layers of these networks, likewise.

    Raises:
      UserError: the space has no profile, too few networks, or none for images of this size; or
        more networks are asked for than fit into memory.
    """
    profiled, root_key = profiled_space(config.space), jax.random.key(config.seed)
    if config.networks > profiled.max_networks:
        raise UserError(
            f"--networks={config.networks}; it must be at most {profiled.max_networks} of "
            f"{config.space}, all of which are in memory at a time"
        )
    space = profiled.make_space(config.image_size, config.classes)
    keys = jax.random.split(stream(root_key, "profile/sample"), _CANDIDATES * config.networks)
    candidates = np.unique(np.asarray(jax.jit(jax.vmap(space.sample))(keys)), axis=0)
    if len(candidates) < config.networks:
        raise UserError(
            f"--networks={config.networks}; it must be at most {len(candidates)}, the different "
            f"ones that were drawn of {config.space}"
        )
    networks = programs.make_networks(profiled, space, candidates, config.image_size)
    chosen = spread(stream(root_key, "profile/networks"), _macs(networks), config.networks)
    layers = programs.make_layers(profiled, space, candidates[chosen])
    count = min(config.layers, len(layers))
    alone = spread(stream(root_key, "profile/layers"), _macs(layers), count)
    return [*(networks[i] for i in chosen), *(layers[i] for i in alone)]


def spread(key: jax.Array, sizes: Sequence[float], count: int) -> list[int]:
    """Indices of `count` of the sizes, ascending: a random one from each of `count` equal ranges.

    The ranges divide the sorted sizes. The key is consumed.
    """
    order = np.argsort(np.asarray(sizes), kind="stable")
    bounds = np.linspace(0, len(order), count + 1).astype(int)
    steps = np.asarray(jax.random.uniform(key, (count,))) * np.diff(bounds)
    return [int(order[place]) for place in bounds[:-1] + steps.astype(int)]


def _macs(some: Sequence[Program]) -> list[float]:
    return [program.features["macs"] for program in some]
