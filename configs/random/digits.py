"""Random search on digits: the yardstick of configs/trl_hpo/digits.py.

    nasjax search --config=random/digits --directory=runs/random_digits

Same space, training and data; 32 rounds of 10 are about the queries that the learner makes (repeats
and invalid ones included). README's table names the run. As nearly all of them are different, it
takes longer than the learner.
"""

import ml_collections

from ..trl_hpo import digits


def get_config() -> ml_collections.ConfigDict:
    """The learner's config with another controller and as many queries."""
    c = digits.get_config()
    del c.controller
    c.controller = dict(name="random_search", models_per_round=10)
    c.search.update(rounds=32)
    return c
