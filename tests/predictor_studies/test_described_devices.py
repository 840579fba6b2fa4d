"""Studies of described devices: what is left out, both ways of sampling, mistakes."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("xgboost")
pytest.importorskip("imblearn")

from nasjax.errors import UserError
from nasjax.predictor_studies import config, report
from nasjax.predictor_studies.described_devices import WAYS
from nasjax.predictor_studies.methods import Method
from nasjax.predictors.predictor import Prediction, Predictor


def small(**changes):
    return {
        "described": {"folder": "ncnn_devices", "seeds": 1, "test": 0.25} | changes,
        "predictors": {"forest": {"name": "random_forest", "members": 5}},
    }


@pytest.fixture(scope="module")
def study():
    return config.parse(small())


@pytest.mark.parametrize("way", WAYS)
def test_what_is_tested_shares_no_row_network_or_device_with_what_is_fitted(study, way):
    train, test = study.split(way, seed=3)
    assert not (train & test).any()
    measured = study.measured
    devices = np.array([setting.device for setting in measured.settings])[measured.setting]
    groups = {"rows": np.arange(len(train)), "networks": measured.network, "devices": devices}[way]
    names = set(groups[test].tolist())
    assert not names & set(groups[train].tolist())
    assert len(names) == round(0.25 * len(set(groups.tolist())))


@pytest.mark.long
@pytest.mark.parametrize("oversampled", [False, True])
def test_a_fit_sees_no_network_that_it_is_tested_on(study, oversampled, tmp_path):
    fitted, tested = [], []

    def fit(seed, inputs, logs):
        fitted.append(inputs)
        return {}

    def predict(params, inputs):
        tested.append(inputs.shape)
        return Prediction(inputs[:, 0], inputs[:, 0])

    spied = dataclasses.replace(study, methods={"spy": Method("", {}, Predictor(fit, predict))})
    spied._fit("spy", "networks", oversampled, 0, tmp_path)
    width = len(study.measured.feature_names)
    train, test = study.split("networks", 0)
    assert tested == [(test.sum(), study.measured.inputs().shape[1])]
    assert len(fitted[0]) > train.sum() if oversampled else len(fitted[0]) == train.sum()
    of = {row.tobytes() for row in fitted[0][: train.sum(), :width]}
    unseen = {row.tobytes() for row in study.measured.inputs()[test][:, :width]}
    assert not of & unseen


@pytest.mark.long
def test_every_way_is_scored_and_over_sampling_beside_it(tmp_path):
    study = config.parse(small())
    jobs = study.jobs(tmp_path)
    assert len(jobs) == 3 * 2
    left = ["forest--rows--oversampled--0", "forest--networks--oversampled--0"]
    for job in jobs:
        if job.name not in left:
            job.run(tmp_path)
    assert [job.name for job in study.jobs(tmp_path)] == left
    report.write(tmp_path, study)
    page = json.loads((tmp_path / "predictors.json").read_text())
    text = (tmp_path / "report.md").read_text()
    assert set(page["described"]["rows"]) == {"forest"}
    assert set(page["described"]["devices"]) == {"forest", "forest, over-sampled"}
    assert all(f"## Unseen {way}" in text for way in WAYS)
    # Known networks on known devices are easier than devices that nobody measured.
    r2 = {way: page["described"][way]["forest"]["r2_log"] for way in WAYS}
    assert r2["rows"] > r2["devices"]
    assert r2["rows"] > 0.6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": 1.0}, "described.test=1.0; it must be above 0, below 1"),
        ({"target": "energy_mJ"}, "target='energy_mJ'; there are latency_ms"),
        ({"folder": "nowhere"}, "cannot read the measurements nowhere"),
        ({"oversample": ()}, "one way or both"),
    ],
)
def test_a_mistake_ends_in_one_line(changes, message):
    with pytest.raises(UserError, match=message):
        config.parse(small(**changes))
