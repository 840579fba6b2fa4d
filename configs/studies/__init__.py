"""Studies on published tables."""
