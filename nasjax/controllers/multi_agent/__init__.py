"""One agent per hyper-parameter and a master."""
