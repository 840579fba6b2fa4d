"""What the engine's figures in README were measured with; started by launch/benchmark.py."""
