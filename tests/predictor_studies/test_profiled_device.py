"""A new device in a folder of measurements: transfer to it, and a predictor that searches take."""

import json
import pathlib
import shutil

import numpy as np
import pandas as pd
import pytest
import scipy.stats

pytest.importorskip("xgboost")

from nasjax.devices import measurements
from nasjax.errors import UserError
from nasjax.predictor_studies import config as configs
from nasjax.predictor_studies import sources
from nasjax.runs.workdir import Workdir
from nasjax.spaces.nas_bench_201 import NasBench201
from tests.predictor_studies.test_comparison import searched
from tests.predictor_studies.test_unseen_devices import KNOWN, small

pytestmark = pytest.mark.long

CELLS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A "device" that takes twice as long as HELP's FPGA, on cells drawn at random."""
    source = sources.load("nas_bench_201", ("help/fpga_ms",))
    rows = np.random.default_rng(5).choice(len(source.features), CELLS, replace=False)
    names = [f"cell {row}" for row in rows]
    networks = pd.DataFrame(source.features[rows], columns=list(source.names))
    networks.insert(0, "network", names)
    measured = pd.DataFrame({"network": names, "value": 2 * source.costs["help/fpga_ms"][rows]})
    same = {"device": "mine", "batch": 1, "threads": 2, "precision_bits": 32}
    measured = measured.assign(**same, target="latency", unit="ms")
    path = tmp_path_factory.mktemp("measured")
    measurements.write(path, networks, {"mine": {"kind": "fpga", "mobile": 1}}, measured)
    return path


def profiled(folder, **unseen_section):
    config = small(**{"unseen.seeds": 1, "unseen.main": "mine", "unseen.train": 200})
    config["unseen"] |= unseen_section
    config["splits"] = {
        "mine": {"source": "nas_bench_201", "known": KNOWN, "folder": str(folder)},
    }
    return config


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    directory = tmp_path_factory.mktemp("study")
    study = configs.parse(profiled(folder))
    for job in study.jobs(directory):
        job.run(directory)
    return directory, study, study.analyse(directory)


@pytest.fixture
def page(made):
    return made[2]


def test_ten_samples_order_the_other_profiled_networks(page):
    first = page["unseen_devices"]
    assert first["10"] > 0.85
    known = page["splits"]["mine"]["0"]["transfer"]["devices"]
    assert {cost.replace("/", "--") for cost in known} == set(page["saved"])


def test_what_is_kept_tells_a_search_what_a_cell_costs(page):
    (path,) = page["saved"].values()
    costs = searched(costs=("help/fpga_ms",), predicted=(path,)).rows.costs
    assert len(costs) == NasBench201().size
    assert scipy.stats.spearmanr(costs[:, 0], costs[:, 1])[0] > 0.95
    assert np.median(costs[:, 1] / costs[:, 0]) == pytest.approx(2, rel=0.1)


def test_a_predictor_that_is_gone_is_fitted_and_saved_again(made):
    directory, study, page = made
    assert study.jobs(directory) == []
    (path,) = page["saved"].values()
    before = json.loads(pathlib.Path(path, "predictor.json").read_text())
    shutil.rmtree(path)
    (job,) = study.jobs(directory)
    job.run(directory)
    again = json.loads(pathlib.Path(path, "predictor.json").read_text())
    assert again["sha256"] == before["sha256"]


def test_a_folder_that_was_measured_anew_is_another_study(folder, made, tmp_path):
    shutil.copytree(folder, tmp_path / "measured")
    before = configs.parse(profiled(tmp_path / "measured")).resolved
    Workdir(tmp_path / "study", before, flag="directory").close()
    rows = tmp_path / "measured" / measurements.ROWS
    rows.write_text(rows.read_text().replace(",latency,", ",latency,1", 1))
    after = configs.parse(profiled(tmp_path / "measured")).resolved
    with pytest.raises(UserError, match="config.splits.mine.sha256="):
        Workdir(tmp_path / "study", after, flag="directory")


def test_a_folder_of_too_few_networks_or_beside_new_devices_is_refused(folder):
    with pytest.raises(UserError, match="unseen.samples=.*at most 20, a third of the networks"):
        configs.parse(profiled(folder, samples=(0, 30)))
    config = profiled(folder)
    config["splits"]["mine"]["new"] = ("help/fpga_ms",)
    with pytest.raises(UserError, match="splits.mine.new=.*nothing: there is a folder"):
        configs.parse(config)
    del config["splits"]["mine"]["folder"]
    config["splits"]["mine"]["new"] = ()
    with pytest.raises(UserError, match="splits.mine.new=.*one cost or more"):
        configs.parse(config)
