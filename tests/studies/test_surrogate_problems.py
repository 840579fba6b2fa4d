"""Studies of a space too large for a table: rows, words, quantiles of the sample, the report."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax import registry
from nasjax.errors import UserError
from nasjax.evaluation.surrogate import SAMPLED, drawn_from
from nasjax.studies import config, problem, report, results, run, shards, simulate
from nasjax.studies.analysis.recommendations import recommendations
from nasjax.studies.analysis.statistics import chance_of_any, expected_best
from nasjax.studies.problem import make_arms
from nasjax.studies.simulate import ENDED, NO_ROW
from nasjax.types import Proposal
from tests.studies.small_results import constrained, frame
from tests.surrogates import SUMS, Sums, by_hand, keep, keep_all
from tests.witness import asked_by_the_host_loop

pytestmark = pytest.mark.long

SPACE = Sums()
BUDGET = 12
LATENCY, SIZE = "latency_ms", "size_m"


@pytest.fixture(scope="module", autouse=True)
def known_space():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.SPACES, "sums", SUMS)
        yield


def plain(directory, **study):
    asked = {"tables": ("sums/sums",), "budgets": (BUDGET,), "costs": (LATENCY,)}
    asked |= {"quantiles": (0.5,), "measures": (SIZE,), "seeds": 3}
    return {
        "study": asked | study,
        "evaluator": {"name": "surrogate", "directory": str(directory)},
        "controllers": {
            "random_search": {"controller": {"name": "random_search", "models_per_round": 1}},
            "evolution": {
                "controller": {"name": "regularized_evolution", "population_size": 4},
                "reward": {"name": "weighted_product", "exponent": -1.0},
            },
        },
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study: its directory, itself, its arms."""
    saved, directory = tmp_path_factory.mktemp("saved"), tmp_path_factory.mktemp("study")
    keep_all(saved)
    study = config.parse(plain(saved))
    arms = make_arms(study)
    run.run(directory, study.config, run.missing(directory, study.config, arms))
    return directory, study, arms


def number(architecture):
    """An architecture's index, in Python's integers."""
    found = 0
    for code in np.asarray(architecture)[:, 0].tolist():
        found = 3 * found + code - 1
    return found


def indices_of_the_host_loop(made, seed):
    asked = asked_by_the_host_loop(made, seed, BUDGET)
    return [number(architecture) for phase, architecture in asked if phase != "validate"][:BUDGET]


@pytest.mark.long
def test_a_program_keeps_the_indices_that_the_host_loop_asks_for(whole):
    directory, _, arms = whole
    kept = shards.read(directory, arms[1].config.name)
    assert kept.found.queries.dtype == np.int64
    assert kept.found.queries.max() > 2**31
    expected = indices_of_the_host_loop(arms[1].made, 1)
    np.testing.assert_array_equal(kept.found.queries[1], expected)


def test_a_search_counts_a_limited_cost_in_targets(whole):
    _, _, arms = whole
    drawn = drawn_from(SPACE)[:5]
    asked = Proposal(jnp.asarray(drawn), jnp.ones(5, bool), jnp.zeros(5, int), jnp.zeros((5, 32)))
    found = arms[1].made.evaluator.evaluate(jax.random.key(0), asked)
    expected = by_hand(3, 1.0, drawn[:, :, 0] - 1) / arms[1].problem.max_cost
    np.testing.assert_allclose(found.costs[:, 0], expected, rtol=1e-5)


def digits_of(ids):
    """[N] -> [N, 20], by division."""
    return np.array([[int(one) // 3**power % 3 for power in range(19, -1, -1)] for one in ids])


def test_results_share_rows_that_are_what_was_asked_for_and_the_sample(whole):
    directory, _, arms = whole
    found = results.read(directory, arms)
    assert [result.label for result in found] == ["random_search", "evolution"]
    kept = [shards.read(directory, arm.config.name).found.queries for arm in arms]
    drawn = [number(architecture) for architecture in drawn_from(SPACE)]
    everything = set(drawn).union(*(queries.ravel().tolist() for queries in kept))
    made = found[0].problem
    assert made is found[1].problem
    assert made.ids.tolist() == sorted(everything)
    assert made.ids[made.sample].tolist() == drawn
    for result, queries in zip(found, kept, strict=True):
        assert result.queries.dtype == np.int32
        np.testing.assert_array_equal(made.ids[result.queries], queries)
        np.testing.assert_array_equal(result.final, NO_ROW)
    digits = digits_of(made.ids)
    np.testing.assert_allclose(made.search_accuracy, by_hand(1, 0.1, digits), rtol=1e-5)
    np.testing.assert_allclose(made.reported_accuracy, by_hand(2, 0.1, digits), rtol=1e-5)
    np.testing.assert_allclose(made.measures[SIZE], by_hand(4, 2.0, digits), rtol=1e-5)
    latency = by_hand(3, 1.0, digits)
    np.testing.assert_allclose(made.costs, latency, rtol=1e-5)
    # The quantile is that of the sample, not of what searches asked for besides.
    assert made.max_cost == pytest.approx(np.median(latency[made.sample]), rel=1e-6)


def test_random_draws_are_told_by_the_sample_alone(whole):
    directory, _, arms = whole
    found = results.read(directory, arms)
    row = frame(found, "random_search").iloc[1]
    digits = drawn_from(SPACE)[:, :, 0] - 1
    accuracy, cost = by_hand(1, 0.1, digits), by_hand(3, 1.0, digits)
    kept = cost <= np.median(cost)
    expected = expected_best(accuracy[kept], BUDGET, int((~kept).sum()))
    assert row["random_search_percent"] == pytest.approx(100 * expected, abs=0.01)
    chance = chance_of_any(int(kept.sum()), BUDGET, int((~kept).sum()))
    assert row["random_answered_percent"] == pytest.approx(100 * chance, abs=0.01)


def test_rows_beside_the_sample_leave_random_draws_as_they_are():
    # Of six rows three stand for the space; one of them keeps the target of 3.
    result = constrained(sample=np.array([0, 2, 5], np.int32))
    row = frame([result], "learner").iloc[0]
    assert row["random_answered_percent"] == pytest.approx(100 * (1 - (2 / 3) ** 4))
    assert row["random_search_percent"] == pytest.approx(50)


def test_a_pick_is_told_in_words(whole):
    directory, _, arms = whole
    found = results.read(directory, arms)
    for result, pick in zip(found, recommendations(found), strict=True):
        made = result.problem
        row = made.search_accuracy[result.queries]
        row = np.where(made.is_kept[result.queries], row, -1)
        answers = {
            " > ".join("abc"[digit] for digit in digits_of([made.ids[queries[best]]])[0])
            for queries, best in zip(result.queries, row.argmax(1), strict=True)
        }
        assert pick["architecture"] in answers


@pytest.mark.long
def test_the_report_says_what_stands_for_a_table(whole):
    directory, study, arms = whole
    report.write(directory, study, arms)
    page = (directory / "report.html").read_text()
    assert "3,486,784,401 networks" in page and f"{SAMPLED:,} random networks" in page
    first = json.loads((directory / "study.json").read_text())["aggregates"]
    (directory / report.CONFIG).write_text(json.dumps(study.resolved))
    report.write_again(directory)
    assert first == json.loads((directory / "study.json").read_text())["aggregates"]


def test_a_study_goes_on_with_the_predictors_that_it_began_with(tmp_path):
    keep_all(tmp_path)
    study = config.parse(plain(tmp_path))
    assert config.parse(study.resolved) == study
    keep(tmp_path, SIZE, 9, 2.0)  # a measure only
    with pytest.raises(UserError, match="evaluator.digest"):
        config.parse(study.resolved)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"costs": ("power_w",)}, "power_w: No such file"),
        ({"tables": ("nas_bench_201/cifar10",)}, "evaluator.name='surrogate'; it must be 'table'"),
        ({"tables": ("sums/digits",)}, "evaluator.data_set='digits'; it must be 'sums'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, study, message):
    keep_all(tmp_path)
    with pytest.raises(UserError, match=message):
        make_arms(config.parse(plain(tmp_path, **study)))


def test_rows_that_are_none_stay_so_beside_large_ones():
    high = np.array([[1, 5, 0, 2]], np.int32)
    low = np.array([[7, ENDED, NO_ROW, 3]], np.int32)
    validated = np.array([[ENDED, 4, ENDED, ENDED]], np.int32)
    made = SimpleNamespace(space=SPACE)
    joined = simulate._joined(made, simulate.Asked(low, validated, np.zeros_like(low), high))
    base = SPACE.low_size
    assert joined.row.tolist() == [[base + 7, ENDED, NO_ROW, 2 * base + 3]]
    queries, _, final = simulate.within(joined, 3)
    assert queries.tolist() == [[base + 7, NO_ROW, 2 * base + 3]]
    assert final.tolist() == [5 * base + 4]


def test_places_are_rows():
    ids = np.array([3, 10**10, 10**12])
    found = problem.as_rows(ids, np.array([[10**12, NO_ROW], [3, ENDED]]))
    assert found.dtype == np.int32 and found.tolist() == [[2, NO_ROW], [0, ENDED]]
