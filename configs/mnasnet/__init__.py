"""Searches in MnasNet's space, whose outcomes are predicted by surrogates."""
