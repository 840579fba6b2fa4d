"""Configs of launch/predictor.py."""
