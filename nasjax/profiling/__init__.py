"""Measures what networks of a space cost on this machine, for predictors of device behaviour."""
