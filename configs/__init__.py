"""Ready-made searches as plain data; each docstring holds command, claim and minutes."""
