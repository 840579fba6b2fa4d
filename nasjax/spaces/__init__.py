"""What can be built, and how an action becomes a layer."""
