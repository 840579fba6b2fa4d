"""Studies of searches, on published tables and on surrogates."""
