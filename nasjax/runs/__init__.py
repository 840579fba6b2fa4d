"""What a run keeps: checkpoints, records, final test, report."""
