"""Searches by the compared methods on scikit-learn's digits, with trained candidates."""
