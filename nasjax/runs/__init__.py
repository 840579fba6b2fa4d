"""Checkpoints, records, final test and summary: the files of a run."""
