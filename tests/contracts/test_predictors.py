"""Every predictor keeps its contract, and the suite sees one that does not."""

import itertools

import numpy as np
import pytest

from nasjax import registry
from nasjax.contracts import check_predictor
from nasjax.predictors.predictor import Prediction
from tests.contracts.sums import measurements

pytest.importorskip("xgboost")

# Small ones; a graph convolution reads cells, see tests/predictors/test_graph_convolution.py.
SMALL = {
    "bag_of_boosted_trees": {"members": 4, "rounds": 80},
    "bag_of_boosted_mlps": {
        "members": 2,
        "rounds": 2,
        "width": 16,
        "epochs": 60,
        "batch_size": 32,
    },
    "random_forest": {"members": 20},
    "support_vectors": {},
}
READS_CELLS = {"graph_convolution"}
TAKES_MISSING = {"bag_of_boosted_trees"}


def test_every_predictor_is_in_the_suite():
    assert {*SMALL, *READS_CELLS} == set(registry.PREDICTORS)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_predictor_keeps_the_contract(name):
    predictor = registry.make_predictor({"name": name, **SMALL[name]}, None)
    missing = 0.1 if name in TAKES_MISSING else 0.0
    check_predictor(predictor, *measurements(450), missing=missing)


@pytest.mark.long
def test_cells_are_predicted_as_the_contract_says():
    space = registry.slot_space("nas_bench_201")
    predictor = registry.make_predictor({"name": "graph_convolution", "epochs": 40}, space)
    features, values = cells(space)
    check_predictor(predictor, features, values, unexplained=0.5)


def cells(space):
    """240 cells, worth a constant for each operation."""
    from nasjax.predictors.features import features_of

    rng = np.random.default_rng(0)
    ops = rng.integers(0, 5, (240, 6))
    values = 1 + np.array([0.0, 0.2, 1.0, 2.0, 0.5])[ops].sum(1)
    return features_of(space, (ops[..., None] + 1).astype(np.int32)), values


def test_a_predictor_that_breaks_the_contract_is_told_so():
    forest = registry.make_predictor({"name": "random_forest", "members": 5}, None)

    def by_mates(params, features):
        found = forest.predict(params, features)
        return Prediction(found.value + 0.001 * len(features), found.spread)

    others = itertools.count()

    def unseeded(seed, features, values):
        return forest.fit(next(others), features, values)

    wrong = {"as each alone": {"predict": by_mates}, "must fit the same": {"fit": unseeded}}
    for message, changes in wrong.items():
        with pytest.raises(AssertionError, match=message):
            check_predictor(forest._replace(**changes), *measurements(450), unexplained=0.5)
