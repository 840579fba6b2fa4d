"""Candidates trained for real, in cohorts, none of them twice."""
