"""The report of one search."""
