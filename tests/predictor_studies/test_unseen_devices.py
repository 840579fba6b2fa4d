"""Studies of unseen devices: what is measured, what goes on, what is summed up, mistakes."""

import json
import pathlib

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from nasjax.errors import UserError
from nasjax.predictor_studies import config as configs
from nasjax.predictor_studies import report, sources
from nasjax.predictor_studies.unseen_devices import analysis, methods
from nasjax.predictors import saved
from tests.predictor_studies.test_comparison import searched

pytestmark = pytest.mark.long

pytest.importorskip("xgboost")

KNOWN = ("help/1080ti_1_ms", "help/pixel3_ms", "help/silver_4114_ms")
NEW = ("help/fpga_ms", "help/titanx_1_ms")


def small(**changes):
    config = {
        "unseen": {"main": "few", "samples": (0, 10), "train": 60, "seeds": 2},
        "splits": {"few": {"source": "nas_bench_201", "known": KNOWN, "new": NEW}},
        "known": {"name": "support_vectors"},
        "transfer": {},
    }
    for path, value in changes.items():
        *sections, key = path.split(".")
        place = config
        for section in sections:
            place = place[section]
        place[key] = value
    return config


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    directory = tmp_path_factory.mktemp("unseen")
    study = configs.parse(small())
    first, second = study.jobs(directory)
    assert [first.name, second.name] == ["few--0", "few--1"]
    first.run(directory)
    assert [job.name for job in study.jobs(directory)] == ["few--1"]
    second.run(directory)
    written = report.write(directory, study)
    page = json.loads((directory / "predictors.json").read_text())
    return directory, page, (directory / "report.md").read_text(), written


def test_every_method_is_scored_on_the_same_unseen_networks(found):
    directory = found[0]
    rows = pd.DataFrame(json.loads((directory / "fits" / "few--0.json").read_text())["rows"])
    assert set(rows["method"]) == set(methods.METHODS)
    # The order of multiply-adds needs no sample, so samples change nothing of its score.
    macs = rows[rows["method"] == "macs"].pivot(index="new", columns="samples", values="spearman")
    np.testing.assert_array_equal(macs[0], macs[10])
    source = sources.load("nas_bench_201", NEW)
    order = np.random.default_rng(0).permutation(len(source.features))
    tested = order[60:]  # but for the twenty samples
    for cost in NEW:
        wanted = scipy.stats.spearmanr(source.macs[tested], source.costs[cost][tested])[0]
        assert macs.loc[cost, 0] == pytest.approx(wanted, abs=1e-3)


@pytest.mark.long
def test_what_is_kept_has_seen_so_many_samples_of_the_new_device(tmp_path):
    config = small(**{"unseen.seeds": 1, "unseen.train": 200})
    config["splits"]["few"]["keep"] = (0, 10)
    study = configs.parse(config)
    (job,) = study.jobs(tmp_path)
    job.run(tmp_path)
    kept = study.analyse(tmp_path)["saved"]
    devices = ("fpga_ms", "titanx_1_ms")
    assert list(kept) == [f"few--{device}--{count}" for device in devices for count in (0, 10)]
    likeness = {}
    for name, path in kept.items():
        facts = saved.load(pathlib.Path(path)).facts
        device, count = name.split("--")[1:]
        assert facts["measured"] == int(count) and facts["cost"] == f"help/{device}"
        costs = searched(costs=(f"help/{device}",), predicted=(path,)).rows.costs
        likeness[device, count] = scipy.stats.spearmanr(costs[:, 0], costs[:, 1])[0]
    for device in devices:
        assert likeness[device, "10"] > max(0.8, likeness[device, "0"] - 0.02)
    # Samples also tell how slow the device is: before, only what is like it tells.
    costs = searched(costs=("help/fpga_ms",), predicted=(kept["few--fpga_ms--10"],)).rows.costs
    assert np.median(costs[:, 1] / costs[:, 0]) == pytest.approx(1, rel=0.2)


def test_what_tests_is_neither_fitted_nor_a_sample(tmp_path, monkeypatch):
    asked = []

    def predict(known, trees, cost, random, chosen, test):
        asked.append((known.fitted, (random, chosen), test))
        return {}

    monkeypatch.setattr(methods, "predict", predict)
    for job in configs.parse(small()).jobs(tmp_path):
        job.run(tmp_path)
    assert len(asked) == 2 * len(NEW) * 2  # seeds, devices, numbers of samples
    for seen, (random, chosen), test in asked:
        assert len(seen) == 60 and len(random) == len(chosen) in (0, 10)
        sets = [set(rows.tolist()) for rows in (seen, random, chosen, test)]
        assert not sets[3] & (sets[0] | sets[1] | sets[2])
        assert not sets[0] & (sets[1] | sets[2])
        assert len(sets[3]) >= 15_625 - 60 - 20


def test_samples_help_and_the_page_says_what_the_report_says(found):
    _, page, text, written = found
    first = page["unseen_devices"]
    assert first["10"] > first["0"] > 0.5
    assert f"{first['10']}" in text
    assert all(path.stat().st_size for path in written)


def test_a_mean_is_over_devices_and_an_interval_over_what_it_says():
    rows = pd.DataFrame(
        [
            {
                "split": "a",
                "seed": seed,
                "new": new,
                "samples": 0,
                "method": method,
                "spearman": rho,
            }
            for seed, new, macs, transfer in [
                (0, "x", 0.5, 0.7),
                (1, "x", 0.5, 0.8),
                (0, "y", 0.9, 0.9),
                (1, "y", 0.9, 1.0),
            ]
            for method, rho in (("macs", macs), ("transfer", transfer))
        ]
    )
    of = analysis.method_scores(rows)
    assert of["transfer"]["mean"] == pytest.approx(0.85)
    assert of["transfer"]["devices"] == {"x": 0.75, "y": 0.95}
    above = analysis.headline(rows, {"0": of})["above_flops"]
    # Differences: x .2 .3, y 0 .1. By seed .1 .2, by device .25 .05; Student's t of two: 12.706.
    half = 12.706 * np.std([0.1, 0.2], ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(above["over_seeds"], [0.15 - half, 0.15 + half], atol=1e-3)
    half = 12.706 * np.std([0.25, 0.05], ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(above["over_devices"], [0.15 - half, 0.15 + half], atol=1e-3)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("unseen.samples", (), r"unseen.samples=\(\)"),
        ("unseen.samples", (-1,), "one number or more, >= 0"),
        ("unseen.train", 15_700, "unseen.train=15700; it must be at most 15604"),
        ("unseen.main", "many", "unseen.main='many'; it must be one of few"),
        ("splits.few.source", "nas_bench_101", "nas_bench_101.*known: .*nas_bench_201"),
        ("splits.few.known", (), "splits.few.known"),
        ("splits.few.new", ("help/toaster_ms",), "help/toaster_ms.*known"),
        ("splits.few.new", (KNOWN[0],), "devices that are not among the known ones"),
        ("known.name", "crystal_ball", "crystal_ball"),
        ("transfer.floor", 0.0, "transfer.floor=0.0; it must be > 0"),
        ("more", {}, "config.more is unknown"),
    ],
)
def test_a_mistake_ends_in_one_line(path, value, message):
    with pytest.raises(UserError, match=message):
        configs.parse(small(**{path: value}))
