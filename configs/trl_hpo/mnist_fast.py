"""TRL-HPO on MNIST with a short recipe, about an hour on 2 CPU cores."""

import ml_collections

from configs.trl_hpo import mnist_paper


def get_config() -> ml_collections.ConfigDict:
    c = mnist_paper.get_config()
    c.data.update(train_size=5_000, validation_size=2_000)
    c.controller.update(models_per_episode=8, min_size=60, replay_capacity=2_000)
    c.controller.update(updates_per_episode=25)
    c.evaluator.update(epochs=1, batch_size=32, learning_rate=2e-3, schedule="cosine")
    c.evaluator.update(lanes=1, memory_budget_gib=4.0, compilation="quick")
    c.search.update(rounds=8)
    return c
