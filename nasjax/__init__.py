"""Searches for neural architectures with reinforcement learning, on JAX."""

__version__ = "0.1.0"
