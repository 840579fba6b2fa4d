"""Devices that no predictor was fitted on: their costs before and after a few measurements."""
