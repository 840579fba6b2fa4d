"""Studies of predictors: config -> fits (one a method, target and seed) -> summary."""
