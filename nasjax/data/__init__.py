"""Data sets as host arrays: `datasets.load_search` for a search, `load_test` for its end."""
