"""Rewards: functions of a proposal and its outcome."""
