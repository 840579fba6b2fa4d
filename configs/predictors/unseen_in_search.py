"""Predictors of HELP's new devices for searches: without a sample of them, and with ten.

    nasjax predictor --config=predictors/unseen_in_search \\
        --directory=predictors/unseen_in_search

It keeps `DIRECTORY/saved/help--raspi4_ms--10` and the like, which the searches of
configs/studies/autocomet_unseen.py use. Nine devices are known, with 900 cells of NAS-Bench-201
each; there is one draw of cells.
"""

import ml_collections

from . import unseen_devices


def get_config() -> ml_collections.ConfigDict:
    """The first split of unseen_devices.py, one seed."""
    c = unseen_devices.get_config()
    c.unseen.update(samples=(0, 10), seeds=1)
    c.splits = dict(help=dict(c.splits.help, keep=(0, 10)))
    return c
