"""Parts of reinforcement learning that more than one controller uses."""
