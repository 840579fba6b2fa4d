"""Compiled programs on disk, so that no start compiles what an earlier one did."""

import pathlib

import jax


def use(directory: pathlib.Path) -> None:
    """Keeps every program compiled from here on, however small or quickly compiled."""
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
