"""Who measures: candidates are trained, or looked up."""
