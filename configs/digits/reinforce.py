"""REINFORCE on digits: candidates are trained.

    nasjax search --config=digits/reinforce --directory=runs/reinforce

Space, training and data are those of configs/trl_hpo/digits.py; the budget is 320 queries. No run
is recorded yet.
"""

import ml_collections

from ..trl_hpo import digits


def get_config() -> ml_collections.ConfigDict:
    """TRL-HPO's config with another controller, rewarded with the accuracy itself."""
    c = digits.get_config()
    del c.controller
    del c.reward
    c.controller = dict(name="reinforce")
    c.reward = dict(name="accuracy")
    c.search.update(rounds=320, max_queries=320, checkpoint_every=10)
    return c
