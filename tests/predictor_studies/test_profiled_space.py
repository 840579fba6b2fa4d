"""Predictors fitted on a folder of measurements alone: what they see, what is kept for searches."""

import json
import pathlib

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("xgboost")

from configs.predictors import profiled_space
from nasjax.devices import measurements
from nasjax.errors import UserError
from nasjax.evaluation import predicted_costs
from nasjax.evaluation.evaluation import Rows
from nasjax.predictor_studies import config, report
from nasjax.predictors import saved
from nasjax.predictors.features import features_of
from nasjax.registry import of_saved
from nasjax.spaces.nas_bench_macro import NasBenchMacro

pytestmark = pytest.mark.long

SPACE, NETWORKS = NasBenchMacro(), 120


def milliseconds(features):
    """Latency on the device of these tests: half a ms and a part for the network's size."""
    return 0.5 + features[:, SPACE.feature_names.index("macs")].astype(np.float64) / 2e7


def measured(path, space=SPACE, **changed):
    """Writes a folder: networks, of which one cannot run; energy of half of them; a layer alone."""
    rows = np.random.default_rng(7).choice(space.size, NETWORKS, replace=False)
    features = features_of(space, space.from_index(rows))
    names = [f"net {row}" for row in rows]
    networks = pd.DataFrame(features, columns=list(space.feature_names))
    networks.insert(0, "network", names)
    layer = pd.DataFrame([{"network": "layer", "macs": 1e6}])
    macs = features[:, space.feature_names.index("macs")]
    latency = pd.DataFrame({"network": names, "value": 0.5 + macs / 2e7}).assign(target="latency")
    latency.loc[3, "value"] = np.inf
    energy = latency[: NETWORKS // 2].assign(target="energy", unit="mJ")
    alone = pd.DataFrame([{"network": "layer", "value": 0.1, "target": "layer_latency"}])
    table = pd.concat([latency, energy, alone]).assign(device="mine", batch=1, threads=1)
    table = table.assign(precision_bits=32, unit=table["unit"].fillna("ms"), **changed)
    everything = pd.concat([networks, layer])
    measurements.write(path, everything, {"mine": {"kind": "cpu"}}, table)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("measured"))


def plain(measured_in, **changed):
    comparison = {"folder": str(measured_in), "space": "nas_bench_macro", "data_set": "cifar10"}
    comparison |= {"costs": ("latency_ms",), "train": 80, "seeds": 2, "save": "trees"}
    trees = {"name": "bag_of_boosted_trees", "members": 2, "rounds": 60}
    return {
        "comparison": comparison | changed,
        "predictors": {"trees": trees, "svr": {"name": "support_vectors"}},
    }


def test_networks_are_told_from_layers_and_what_cannot_run_from_what_was_not_measured(folder):
    data = config.parse(plain(folder, costs=("latency_ms", "energy_mJ"), train=50)).measured
    assert data.features.shape == (NETWORKS, len(SPACE.feature_names))
    assert not np.isnan(data.features).any()
    np.testing.assert_array_equal(np.flatnonzero(np.isinf(data.costs[:, 0])), [3])
    assert np.isnan(data.costs[:, 1]).sum() == NETWORKS / 2
    others = np.arange(NETWORKS) != 3
    wanted = milliseconds(data.features)
    np.testing.assert_allclose(data.costs[others, 0], wanted[others], rtol=1e-5)


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    directory = tmp_path_factory.mktemp("study")
    study = config.parse(plain(folder, costs=("latency_ms", "energy_mJ"), train=40))
    for job in study.jobs(directory):
        job.run(directory)
    written = report.write(directory, study)
    found = json.loads((directory / "predictors.json").read_text())
    return found, (directory / "report.md").read_text(), written


def test_errors_are_of_networks_that_were_not_fitted(made):
    page, text, written = made
    assert set(page["table2"]) == {"trees", "svr"} and page["table2"]["trees"]["splits"] == 2
    for row in page["table2"].values():
        assert 0.7 < row["r2_mean"] < 1 and 0.7 < row["kendall"] <= 1
        assert f"| {row['kendall']:.3f} | {100 * row['within_10']:.0f} % |" in text
    assert all(path.stat().st_size for path in written)


def test_what_is_kept_is_fitted_on_all_and_tells_a_search_what_a_network_costs(made):
    page = made[0]
    path, other = (page["saved"][target]["path"] for target in ("latency_ms", "energy_mJ"))
    fitted = [saved.load(pathlib.Path(one)).facts["fitted"] for one in (path, other)]
    assert fitted == [NETWORKS, NETWORKS / 2] and "r2" not in page["saved"]["latency_ms"]
    nothing = np.zeros((SPACE.size, 0), np.float32)
    rows = Rows(nothing, nothing, nothing)
    found = predicted_costs.append(rows, SPACE, (path,), "cifar10", of_saved).costs[:, 0]
    wanted = milliseconds(features_of(SPACE, SPACE.from_index(np.arange(SPACE.size))))
    runs = np.isfinite(found)
    assert runs.mean() > 0.9
    assert np.corrcoef(found[runs], wanted[runs])[0, 1] > 0.98
    assert np.abs(found[runs] / wanted[runs] - 1).mean() < 0.05


def test_the_config_is_a_study_of_a_folder(folder):
    asked = profiled_space.get_config()
    asked.comparison.folder = str(folder)
    with pytest.raises(UserError, match="comparison.train=160; it must be below 119"):
        config.parse(asked.to_dict())


def test_a_folder_that_was_measured_anew_is_another_study(tmp_path):
    before = config.parse(plain(measured(tmp_path))).resolved["comparison"]
    assert config.parse(plain(measured(tmp_path))).resolved["comparison"] == before
    after = config.parse(plain(measured(tmp_path, batch=2))).resolved["comparison"]
    assert {key for key in after if after[key] != before[key]} == {"sha256"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"space": None}, "comparison.space=None; it must be one of nas_bench_201, nas_bench_ma"),
        ({"space": "layer_chain"}, "comparison.space='layer_chain'; it must be one of"),
        ({"folder": None}, "comparison.space='nas_bench_macro'; it must be None: there is no fo"),
        ({"folder": "nowhere"}, "cannot read the measurements nowhere/networks.csv"),
        ({"space": "nas_bench_201"}, "networks.csv lacks the feature '01=none'"),
        ({"data_set": "cifar100"}, "comparison.data_set='cifar100'; it must be of cifar10"),
        ({"costs": ("power_w",)}, "target='power_w'; there are energy_mJ, latency_ms, layer_lat"),
        ({"costs": ("layer_latency_ms",), "train": 0}, "comparison.train=0"),
        ({"costs": ("layer_latency_ms",), "train": 1}, "networks.csv has networks that are none"),
        ({"train": 119}, "comparison.train=119; it must be below 119, the networks that"),
        ({"in_jit": "trees"}, "comparison.in_jit='trees'; it must be None: there is a folder"),
    ],
)
def test_a_mistake_ends_in_one_line(folder, changed, message):
    with pytest.raises(UserError, match=message) as caught:
        config.parse(plain(folder, **changed))
    assert "\n" not in str(caught.value)


def test_networks_for_other_images_or_in_several_settings_are_refused(tmp_path):
    measured(tmp_path / "small", NasBenchMacro(image_size=16))
    with pytest.raises(UserError, match="none of this space for images of cifar10: their feat"):
        config.parse(plain(tmp_path / "small"))
    two = pd.Series([1, 2] * NETWORKS)[: NETWORKS + NETWORKS // 2 + 1].to_numpy()
    measured(tmp_path / "two", batch=two)
    with pytest.raises(UserError, match="target='latency_ms' in 2 settings .*; it must be one"):
        config.parse(plain(tmp_path / "two"))
