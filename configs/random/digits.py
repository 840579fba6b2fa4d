"""Random search on digits, the yardstick of configs/trl_hpo/digits.py: same space and training."""

import ml_collections

from configs.trl_hpo import digits


def get_config() -> ml_collections.ConfigDict:
    c = digits.get_config()
    del c.controller
    c.controller = dict(name="random_search", models_per_round=10)
    c.search.update(rounds=20)
    return c
