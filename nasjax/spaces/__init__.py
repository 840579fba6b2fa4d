"""Search spaces: the architectures that can be built, and the layers that actions decode to."""
