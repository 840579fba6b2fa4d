"""TRL-HPO."""
