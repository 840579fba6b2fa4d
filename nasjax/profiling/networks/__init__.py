"""Forward passes of the networks that can be profiled."""
