"""How every test runs: two CPU devices, strict JAX, compiled programs kept between runs."""

import os
import pathlib

# Before jax is imported: it reads both once.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
).strip()

import jax
import pytest

from nasjax import compile_cache

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs and matplotlib's font list in .pytest_cache."""
    if getattr(config, "cache", None) is None:  # pytest -p no:cacheprovider
        return
    os.environ.setdefault("MPLCONFIGDIR", str(config.cache.mkdir("matplotlib")))
    compile_cache.use(pathlib.Path(config.cache.mkdir("xla")))
