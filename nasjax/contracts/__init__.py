"""Test suites that every member of a kind must pass, in the registry or outside the project."""
