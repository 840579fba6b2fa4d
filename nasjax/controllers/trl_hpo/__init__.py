"""TRL-HPO: a transformer actor-critic that builds CNNs layer by layer."""
