"""TRL-HPO on scikit-learn's handwritten digits (8x8), the first thing to run.

    nasjax search --config=trl_hpo/digits --directory=runs/digits

Expected: a CNN of at least 97 % test accuracy, in a few minutes on 2 CPU cores. The run is in
docs/results/trl_hpo.md.

It departs from the paper where the paper's protocol takes days: it has fewer and smaller episodes,
learns from the 16th layer on, makes 25 updates of 4 rows per episode (100 in all), and trains
candidates with batches of 32 and a decaying learning rate. Much of the time goes into compiling;
padded widths make it less.
"""

import ml_collections

from . import mnist_paper


def get_config() -> ml_collections.ConfigDict:
    """The paper's settings, with the changes named above."""
    c = mnist_paper.get_config()
    c.data.update(name="digits", train_size=928, validation_size=512, mean=0.3049, std=0.3758)
    c.controller.update(models_per_episode=4, updates_per_episode=25, batch_size=4)
    c.controller.update(min_size=16, replay_capacity=1_000)
    c.evaluator.update(batch_size=32, learning_rate=2e-3, schedule="cosine")
    c.evaluator.update(lanes=1, conv_widths=(128,), fc_widths=(512,))
    c.evaluator.update(memory_budget_gib=4.0, compilation="quick")
    c.search.update(rounds=5)
    return c
