"""Forward passes of the networks that can be profiled; each module offers its space's `PROFILE`."""
