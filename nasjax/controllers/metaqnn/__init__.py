"""MetaQNN."""
