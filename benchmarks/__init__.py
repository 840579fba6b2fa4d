"""Measurements of the engine's figures in README; started by launch/benchmark.py."""
