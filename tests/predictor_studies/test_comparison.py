"""The comparison of predictors: splits, jobs, saved predictors, the command, mistakes."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from nasjax.build import assemble_table
from nasjax.data.tables import load_table
from nasjax.errors import UserError
from nasjax.evaluation.table import in_order
from nasjax.predictor_studies import config, report
from nasjax.predictor_studies.comparison import analysis, executability, fits, timing
from nasjax.predictor_studies.experiment import read_fits
from nasjax.predictors import piecewise, scores
from nasjax.predictors.predictor import Prediction, Predictor
from nasjax.types import INFEASIBLE, OK, PROPOSE, Proposal

pytest.importorskip("xgboost")

COSTS = ("hw_nas_bench/fpga_latency_ms", "hw_nas_bench/edgetpu_latency_ms")


def small(**comparison):
    changed = {"data_set": "cifar10", "costs": COSTS, "train": 60, "seeds": 2} | comparison
    return {
        "comparison": changed,
        "predictors": {
            "few_trees": {"name": "bag_of_boosted_trees", "members": 2, "rounds": 20},
            "svr": {"name": "support_vectors"},
        },
    }


@pytest.fixture(scope="module")
def data():
    return config.parse(small()).measured


def test_a_split_is_the_same_for_all_and_leaves_out_what_cannot_run(data):
    train, test = fits.split(data.costs[:, 1], 60, seed=1)
    again, _ = fits.split(data.costs[:, 1], 60, seed=1)
    np.testing.assert_array_equal(train, again)
    assert len(train) == 60
    # 15,625 cells, of which the Edge TPU cannot run 4,699.
    assert len(test) == 15_625 - 4_699 - 60
    assert not set(train) & set(test)
    assert np.isfinite(data.costs[np.concatenate([train, test]), 1]).all()


@pytest.mark.long
def test_a_study_goes_on_with_missing_jobs_and_reports_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "_SEEDS", 4)
    monkeypatch.setattr(timing, "_QUERIES", 4)
    wanted = dict(executability=COSTS[1], executability_train=(300,), in_jit="svr")
    wanted |= dict(curve=(30, 60), curve_of=("svr",), curve_seeds=1)
    study = config.parse(small(**wanted))
    jobs = study.jobs(tmp_path)
    names = [job.name for job in jobs]
    # The curve's fits on 60 cells are the table's; then the two measurements.
    assert len(jobs) == 2 * 2 * 2 + 2 + 2 and names[-2:] == ["executability", "in_jit"]
    for job in (*jobs[:3], *jobs[-3:]):
        job.run(tmp_path)
    assert [job.name for job in study.jobs(tmp_path)] == names[3:-3]
    written = report.write(tmp_path, study)
    found = json.loads((tmp_path / "predictors.json").read_text())
    assert set(found["table2"]) == {"few_trees", "svr"}
    assert set(found["curve"]["svr"]) == {"30", "60"}
    assert 0.5 < found["executability"]["balanced_accuracy"] <= 1
    assert found["in_jit"]["seconds_15625x2"] > 0
    assert all(path.stat().st_size for path in written)


def searched(**evaluator):
    """The parts of a random search on cells; what is invalid earns -1."""
    config = {
        "space": {"name": "nas_bench_201"},
        "controller": {"name": "random_search"},
        "evaluator": {"data_set": "cifar10", "noise": False} | evaluator,
        "reward": {"name": "accuracy", "invalid": -1.0},
    }
    return assemble_table(config, 10)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """`saved` of a study that saves its predictors."""
    directory = tmp_path_factory.mktemp("kept")
    study = config.parse(small(save="few_trees", save_train=1_000))
    jobs = study.jobs(directory)
    for job in (jobs[0], *jobs[-2:]):
        job.run(directory)
    return study.analyse(directory)["saved"]


def test_trees_and_saved_predictors_are_fitted_on_the_asked_number_of_cells(data, monkeypatch):
    seen = []

    def fit_executability(config, seed, features, can_run):
        seen.append(len(features))
        return {}

    def predict(params, features):
        seen.append(-len(features))
        return Prediction(features[:, 0], features[:, 0])

    def fit(seed, features, values):
        seen.append(len(features))
        return {}

    monkeypatch.setattr(piecewise, "fit_executability", fit_executability)
    monkeypatch.setattr(piecewise, "log_odds", lambda params, features: predict({}, features).value)
    monkeypatch.setattr(executability, "make_piecewise", lambda predictor: Predictor(fit, predict))
    wanted = dict(executability=COSTS[1], executability_train=(300,), seeds=1)
    executability.measure(config.parse(small(**wanted)).config, data.features)
    assert seen == [300, -15_325]
    seen.clear()
    for costs in data.costs.T:
        executability.fit_piecewise(None, data.features, costs, 1_000)
    assert seen == [1_000, -14_625, 1_000]  # the second cost's prediction is the same program


@pytest.mark.long
def test_a_saved_predictor_tells_a_search_which_cells_a_device_cannot_run(kept):
    parts = searched(
        costs=("hw_nas_bench/eyeriss_latency_ms",), predicted=(kept[COSTS[1]]["path"],)
    )
    drawn = np.random.default_rng(1).choice(15_625, 600, replace=False)
    cells = jnp.asarray(parts.space.from_index(drawn))
    ones = jnp.ones(len(cells), bool)
    proposal = Proposal(cells, ones, jnp.full(len(cells), PROPOSE), jnp.zeros((len(cells), 32)))
    outcome = parts.evaluator.evaluate(jax.random.key(0), proposal)
    assert outcome.costs.shape == (len(cells), 2)
    said = np.isfinite(outcome.costs[:, 1])
    np.testing.assert_array_equal(outcome.status, np.where(said, OK, INFEASIBLE))
    np.testing.assert_array_equal(parts.reward(proposal, outcome)[~said], -1)
    table = load_table("nas_bench_201", "cifar10", COSTS[1:])
    measured = in_order(table, parts.space).costs[drawn, 0]
    can_run = np.isfinite(measured)
    assert 100 < (~can_run).sum() < 300
    assert (said == can_run).mean() > 0.9
    both = said & can_run
    assert scores.all_scores(measured[both], np.asarray(outcome.costs[both, 1]))["r2"] > 0.8


def test_a_predictor_of_another_data_set_is_refused(kept):
    with pytest.raises(UserError, match="evaluator.predicted=.*'cifar100'.*it is of 'cifar10'"):
        searched(data_set="cifar100", predicted=(kept[COSTS[0]]["path"],))
    with pytest.raises(UserError, match="cannot read the predictor nowhere"):
        searched(predicted=("nowhere",))


def test_scores_are_averaged_over_splits_and_then_over_devices():
    rows = pd.DataFrame(
        [
            {
                "label": "one",
                "train": 9,
                "cost": cost,
                "seed": seed,
                "r2": r2,
                **dict.fromkeys(REST, 1.0),
            }
            for cost, seed, r2 in [
                ("a/pixel3", 0, 0.8),
                ("a/pixel3", 1, 0.9),
                ("a/fpga", 0, 1.0),
                ("a/fpga", 1, 0.9),
            ]
        ]
    )
    found = analysis.method_scores(rows)["one"]
    assert found["r2_mean"] == pytest.approx(0.9)  # of .85 and .95
    assert found["r2_worst"] == found["r2_measured"] == pytest.approx(0.85)
    assert found["r2_simulated"] == pytest.approx(0.95)
    assert found["r2_lowest"] == pytest.approx(0.8)
    assert found["r2_sd"] == pytest.approx(0.0)  # splits have .9 each


REST = (
    *("rmse", "mape", "within_5", "within_10", "spearman", "kendall"),
    *("within_1_spread", "within_2_spreads"),
    *("fit_seconds", "microseconds", "single_microseconds"),
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"costs": ()}, r"comparison.costs=\(\)"),
        ({"train": 0}, "comparison.train=0; it must be >= 1"),
        ({"in_jit": "gcn"}, "comparison.in_jit='gcn'; .*few_trees, svr"),
        ({"save": "gcn"}, "comparison.save='gcn'; .*few_trees, svr"),
        ({"curve_of": ("gcn",)}, r"comparison.curve_of=\['gcn'\]; .*few_trees, svr"),
        ({"save_train": 15_625}, "comparison.save_train=15625; it must be from 1 to 15624"),
        ({"curve": (0,)}, r"comparison.curve=\(0,\); it must be numbers >= 1"),
        ({"executability_train": (15_625,)}, "15624"),
        ({"executability_train": ()}, "one number or more"),
        ({"executability": "toaster_latency_ms"}, "toaster_latency_ms.*known"),
        ({"costs": ("hw_nas_bench/toaster_latency_ms",)}, "toaster.*known"),
        ({"train": 11_000}, "comparison.train=11000; it must be below 10926"),
        ({"data_set": "svhn"}, "svhn"),
    ],
)
def test_a_mistake_ends_in_one_line(change, message):
    with pytest.raises(UserError, match=message):
        config.parse(small(**change))


def test_a_wrong_predictor_is_named():
    wrong = small()
    wrong["predictors"]["svr"] = {"name": "support_vectors", "penalty": -1.0}
    with pytest.raises(UserError, match="config.predictors.svr: .*penalty=-1.0; it must be > 0"):
        config.parse(wrong)
    slashed = small()
    slashed["predictors"]["a/b"] = {"name": "support_vectors"}
    with pytest.raises(UserError, match="predictors='a/b'; it must be labels of letters"):
        config.parse(slashed)
    wrong["predictors"]["svr"] = {"name": "nearest_neighbour"}
    with pytest.raises(UserError, match="nearest_neighbour.*support_vectors"):
        config.parse(wrong)


ROOT = Path(__file__).parents[2]
CONFIG = """
import ml_collections

def get_config():
    return ml_collections.ConfigDict(%r)
"""


@pytest.fixture
def command(commands, tmp_path):
    """Runs `nasjax predictor` with these flags to its end."""
    env = {"NASJAX_CACHE_DIR": str(tmp_path / "cache")}
    return lambda *flags: commands.run("predictor", *flags, env=env)


@pytest.mark.long
def test_the_command_compares_goes_on_and_says_what_it_wrote(command, tmp_path):
    path = tmp_path / "small.py"
    path.write_text(CONFIG % small(seeds=1))
    flags = (f"--config={path}", f"--directory={tmp_path / 'study'}", f"--json={tmp_path}/all.json")
    done = command(*flags)
    assert done.returncode == 0, done.stderr
    assert "| few_trees |" in done.stdout
    assert set(json.loads((tmp_path / "all.json").read_text())["table2"]) == {"few_trees", "svr"}
    kept = read_fits(tmp_path / "study")
    assert len(kept) == 4
    assert command(*flags).returncode == 0
    assert read_fits(tmp_path / "study") == kept  # times and all: nothing was made again
    other = command(*flags, "--config.comparison.train=70")
    (line,) = [line for line in other.stderr.splitlines() if line.startswith("error")]
    assert other.returncode == 2 and "comparison.train" in line


def test_the_command_without_a_config_says_what_it_needs(command):
    done = command()
    assert done.returncode == 2
    assert done.stderr.startswith("error: --config=NAME and --directory=DIRECTORY are needed")


def test_a_damaged_fit_is_named(tmp_path):
    (tmp_path / "fits").mkdir()
    (tmp_path / "fits" / "svr--a--0.json").write_text("{")
    with pytest.raises(UserError, match="svr--a--0.json is damaged"):
        read_fits(tmp_path)
