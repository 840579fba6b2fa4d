"""Searches in MnasNet's space, on surrogates."""
