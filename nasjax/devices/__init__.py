"""Devices: their descriptions as numbers, and latencies measured on them."""
