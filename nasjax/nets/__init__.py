"""Networks that more than one controller uses."""
