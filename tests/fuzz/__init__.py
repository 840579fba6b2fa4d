"""Campaigns of random mistakes: configs, damaged files, kills; see README.md."""
