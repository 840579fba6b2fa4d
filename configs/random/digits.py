"""Random search on digits: the yardstick of configs/trl_hpo/digits.py.

    nasjax search --config=random/digits --directory=runs/random_digits

Space, training and data are the same. 32 rounds of 10 are about as many queries as TRL-HPO makes,
repeats and invalid ones included. Nearly all of them ask for different architectures, so the search
takes longer than TRL-HPO's. The run is in docs/results/trl_hpo.md.
"""

import ml_collections

from ..trl_hpo import digits


def get_config() -> ml_collections.ConfigDict:
    """TRL-HPO's config with another controller and about as many queries."""
    c = digits.get_config()
    del c.controller
    c.controller = dict(name="random_search", models_per_round=10)
    c.search.update(rounds=32)
    return c
