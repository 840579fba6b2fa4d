"""From a study's results to everything that its report says: pure functions on arrays."""
