"""Evaluators: architectures are trained, looked up in tables or predicted."""
