"""Random search with trained candidates."""
