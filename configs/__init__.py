"""Ready-made searches and studies as plain data; a docstring has the command and its result."""
