"""Studies of predictors, for the command launch/predictor.py."""
