"""Surrogates: halves without a network in common, tested on what was not fitted, kept to search."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from nasjax import registry
from nasjax.data.tables import load_networks
from nasjax.errors import UserError
from nasjax.evaluation import surrogate
from nasjax.evaluation.surrogate import SurrogateConfig
from nasjax.predictor_studies import config as configs
from nasjax.predictor_studies import report
from nasjax.predictor_studies.experiment import compiled
from nasjax.predictors import saved

pytestmark = pytest.mark.long

pytest.importorskip("xgboost")


def plain(**changes):
    asked = {"networks": "accel_nasbench", "data_set": "imagenet", "save": "few_trees"}
    asked |= {"accuracies": ("top1_percent",), "costs": ("a100_images_per_s", "zcu102_latency_ms")}
    trees = {"name": "bag_of_boosted_trees", "members": 2, "rounds": 8, "depth": 2}
    return {"surrogates": asked | changes, "predictors": {"few_trees": trees}}


@pytest.fixture(scope="module")
def study():
    return configs.parse(plain())


@pytest.fixture(scope="module")
def made(study, tmp_path_factory):
    directory = tmp_path_factory.mktemp("surrogates")
    jobs = study.jobs(directory)
    for job in (*jobs[:3], jobs[-1]):
        job.run(directory)
    return directory


def test_search_and_report_have_no_network_in_common(study):
    search, reported = study.targets["top1_search"], study.targets["top1_reported"]
    codes = load_networks("accel_nasbench").architectures[:, :, 0]
    halves = [set(map(tuple, codes[of].tolist())) for of in (search.train, reported.train)]
    assert not halves[0] & halves[1]  # 13 networks were measured twice
    assert len(search.train) + len(reported.train) == 5_138
    assert abs(len(search.train) - 2_569) < 20
    np.testing.assert_array_equal(search.test, reported.train)
    np.testing.assert_array_equal(search.train, reported.test)
    other = configs.parse(plain(seed=1)).targets["top1_search"]
    assert set(other.train) != set(search.train)


def test_values_have_the_unit_that_their_name_says(study):
    columns = load_networks("accel_nasbench").columns
    top1 = study.targets["top1_search"].values
    np.testing.assert_allclose(top1, columns["top1_percent"] / 100, rtol=1e-6)
    each = study.targets["a100_ms_per_image"].values
    np.testing.assert_allclose(each * columns["a100_images_per_s"], 1000, rtol=1e-6)
    latency = study.targets["zcu102_latency_ms"]
    # Two of them were not measured; a fifth is held out.
    assert len(latency.train) + len(latency.test) == 5_136
    assert not set(latency.train) & set(latency.test)
    assert abs(len(latency.test) - 5_136 / 5) < 20
    assert np.isfinite(latency.values[latency.train]).all()


@pytest.mark.long
def test_the_error_that_is_stated_is_that_of_the_kept_one_on_what_it_has_not_seen(study, made):
    written = report.write(made, study)
    page = json.loads((made / "predictors.json").read_text())
    assert all(path.stat().st_size for path in written)
    for name in page["saved"]:
        target = study.targets[name]
        read = saved.load(made / "saved" / name, study.space.feature_names)
        predict = compiled(registry.of_saved(read, study.space).predict)
        features = jnp.asarray(study.features[target.test])
        found = np.asarray(predict(read.params, features).value, np.float64)
        error = target.values[target.test] - found
        r2 = 1 - (error**2).mean() / target.values[target.test].var()
        scored = page["surrogates"][name]["few_trees"]
        assert scored["r2"] == pytest.approx(r2, abs=1e-5) and 0.5 < r2 < 1
        assert scored["mae"] == pytest.approx(np.abs(error).mean(), abs=1e-5)
        assert read.facts["mae"] == pytest.approx(scored["mae"], abs=1e-5)
    assert 0.3 < page["agreement"]["top1"]["kendall"] < 1


def test_a_search_reads_what_is_kept(study, made):
    config = SurrogateConfig("imagenet", str(made / "saved"), costs=("a100_ms_per_image",))
    read = surrogate.load(config, study.space, registry.of_saved)
    architectures = load_networks("accel_nasbench").architectures[:50]
    rows = surrogate.predict_rows(read, study.space, architectures)
    measured = study.targets["top1_search"].values[:50]
    assert np.abs(rows.search_accuracy - measured).mean() < 0.02
    each = study.targets["a100_ms_per_image"].values[:50]
    assert np.corrcoef(rows.costs[:, 0], each)[0, 1] > 0.9


def test_what_is_there_is_not_made_again(study, made):
    assert [job.name for job in study.jobs(made)] == ["few_trees--zcu102_latency_ms"]
    assert len(study.targets) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": "imagenet"}, "surrogates.networks='imagenet'.*accel_nasbench"),
        ({"accuracies": ("top2_percent",)}, "top2_percent.*top1_percent"),
        ({"accuracies": ("params",)}, "columns that end in _percent"),
        ({"costs": ("tpu_latency_ms",)}, "tpu_latency_ms"),
        ({"save": "svr"}, "surrogates.save='svr'; it must be one of few_trees"),
        ({"held_out": 1.0}, "surrogates.held_out=1.0"),
    ],
)
def test_a_mistake_is_one_line(changes, message):
    with pytest.raises(UserError, match=message):
        configs.parse(plain(**changes))
