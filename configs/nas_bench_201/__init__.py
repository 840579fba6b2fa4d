"""Searches on the table NAS-Bench-201."""
