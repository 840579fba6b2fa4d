"""TRL-HPO on scikit-learn's handwritten digits (8x8), the first thing to run."""

import ml_collections

from configs.trl_hpo import mnist_paper


def get_config() -> ml_collections.ConfigDict:
    c = mnist_paper.get_config()
    c.data.update(name="digits", train_size=928, validation_size=512, mean=0.3049, std=0.3758)
    c.controller.update(
        min_size=32, models_per_episode=5, updates_per_episode=25, replay_capacity=1_000
    )
    c.evaluator.update(lanes=1, conv_widths=(64, 128), fc_widths=(256, 512))
    c.evaluator.update(memory_budget_gib=4.0, compilation="quick", schedule="cosine")
    c.search.update(rounds=6)
    return c
