"""TRL-HPO with trained candidates."""
