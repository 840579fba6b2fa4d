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
from nasjax.studies import compiled, config, parts, run, sampled, summary
from nasjax.studies.aggregate import aggregates
from nasjax.studies.cell import ENDED, NO_ROW
from nasjax.studies.picks import picks
from nasjax.studies.statistics import chance_of_any, expected_best
from nasjax.types import Proposal
from tests.studies.small_cells import limited
from tests.surrogates import SUMS, Sums, by_hand, keep, keep_all
from tests.witness import asked_by_the_host_loop

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
    """A study: its predictors, its directory, itself."""
    saved, directory = tmp_path_factory.mktemp("saved"), tmp_path_factory.mktemp("study")
    keep_all(saved)
    study, runner = config.parse(plain(saved)), run.Runner(directory)
    for job in run.missing(directory, study):
        runner.run(job)
    return saved, directory, study


def number(architecture):
    """An architecture's index, in Python's integers."""
    found = 0
    for code in np.asarray(architecture)[:, 0].tolist():
        found = 3 * found + code - 1
    return found


def indices_of_the_host_loop(made, seed):
    asked = asked_by_the_host_loop(made, seed, BUDGET)
    return [number(architecture) for phase, architecture in asked if phase != "validate"][:BUDGET]


def test_a_program_keeps_the_indices_that_the_host_loop_asks_for(whole):
    _, directory, study = whole
    cell = study.cells[1]
    kept = parts.read(directory, cell.name)
    assert kept.found.queries.dtype == np.int64
    assert kept.found.queries.max() > 2**31
    expected = indices_of_the_host_loop(run.assemble_cell(cell), 1)
    np.testing.assert_array_equal(kept.found.queries[1], expected)


def test_a_search_counts_a_limited_cost_in_targets(whole):
    _, _, study = whole
    cell = study.cells[1]
    drawn = drawn_from(SPACE)[:5]
    asked = Proposal(jnp.asarray(drawn), jnp.ones(5, bool), jnp.zeros(5, int), jnp.zeros((5, 32)))
    found = run.assemble_cell(cell).evaluator.evaluate(jax.random.key(0), asked)
    target = run.constraint_of(cell).target
    expected = by_hand(3, 1.0, drawn[:, :, 0] - 1) / target
    np.testing.assert_allclose(found.costs[:, 0], expected, rtol=1e-5)


def digits_of(ids):
    """[N] -> [N, 20], by division."""
    return np.array([[int(one) // 3**power % 3 for power in range(19, -1, -1)] for one in ids])


def test_cells_share_rows_that_are_what_was_asked_for_and_the_sample(whole):
    _, directory, study = whole
    found = list(run.cells(directory, study))
    assert [cell.label for cell, _ in found] == ["random_search", "evolution"]
    drawn = [number(architecture) for architecture in drawn_from(SPACE)]
    everything = set(drawn).union(*(part.found.queries.ravel().tolist() for _, part in found))
    for cell, part in found:
        assert cell.ids.tolist() == sorted(everything)
        assert cell.ids[cell.sample].tolist() == drawn
        assert cell.queries.dtype == np.int32
        np.testing.assert_array_equal(cell.ids[cell.queries], part.found.queries)
        np.testing.assert_array_equal(cell.final, NO_ROW)
    first = found[0][0]
    digits = digits_of(first.ids)
    np.testing.assert_allclose(first.search_accuracy, by_hand(1, 0.1, digits), rtol=1e-5)
    np.testing.assert_allclose(first.reported_accuracy, by_hand(2, 0.1, digits), rtol=1e-5)
    np.testing.assert_allclose(first.measures[SIZE], by_hand(4, 2.0, digits), rtol=1e-5)
    latency = by_hand(3, 1.0, digits)
    np.testing.assert_allclose(first.constraint.costs, latency, rtol=1e-5)
    # The quantile is that of the sample, not of what searches asked for besides.
    median = np.median(latency[first.sample])
    assert first.constraint.target == pytest.approx(median, rel=1e-6)


def test_random_draws_are_told_by_the_sample_alone(whole):
    _, directory, study = whole
    cells = [cell for cell, _ in run.cells(directory, study)]
    row = aggregates(cells, "random_search").iloc[1]
    digits = drawn_from(SPACE)[:, :, 0] - 1
    accuracy, cost = by_hand(1, 0.1, digits), by_hand(3, 1.0, digits)
    kept = cost <= np.median(cost)
    expected = expected_best(accuracy[kept], BUDGET, int((~kept).sum()))
    assert row["random_search_percent"] == pytest.approx(100 * expected, abs=0.01)
    chance = chance_of_any(int(kept.sum()), BUDGET, int((~kept).sum()))
    assert row["random_answered_percent"] == pytest.approx(100 * chance, abs=0.01)


def test_rows_beside_the_sample_leave_random_draws_as_they_are():
    # Of six rows three stand for the space; one of them keeps the target of 3.
    cell = limited(sample=np.array([0, 2, 5], np.int32))
    row = aggregates([cell], "learner").iloc[0]
    assert row["random_answered_percent"] == pytest.approx(100 * (1 - (2 / 3) ** 4))
    assert row["random_search_percent"] == pytest.approx(50)


def test_a_pick_is_told_in_words(whole):
    _, directory, study = whole
    cells = [cell for cell, _ in run.cells(directory, study)]
    for cell, pick in zip(cells, picks(cells), strict=True):
        row = cell.search_accuracy[cell.queries]
        row = np.where(cell.constraint.is_kept[cell.queries], row, -1)
        answers = {
            " > ".join("abc"[digit] for digit in digits_of([cell.ids[queries[best]]])[0])
            for queries, best in zip(cell.queries, row.argmax(1), strict=True)
        }
        assert pick["architecture"] in answers


def test_the_report_says_what_stands_for_a_table(whole):
    _, directory, study = whole
    summary.write(directory, study)
    page = (directory / "report.html").read_text()
    assert "3,486,784,401 networks" in page and f"{SAMPLED:,} random networks" in page
    first = json.loads((directory / "study.json").read_text())["aggregates"]
    (directory / summary.CONFIG).write_text(json.dumps(study.resolved))
    summary.write_again(directory)
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
        run.missing(tmp_path / "study", config.parse(plain(tmp_path, **study)))


def test_rows_that_are_none_stay_so_beside_large_ones():
    high = np.array([[1, 5, 0, 2]], np.int32)
    low = np.array([[7, ENDED, NO_ROW, 3]], np.int32)
    validated = np.array([[ENDED, 4, ENDED, ENDED]], np.int32)
    made = SimpleNamespace(space=SPACE)
    joined = compiled._joined(made, compiled.Asked(low, validated, np.zeros_like(low), high))
    base = SPACE.low_size
    assert joined.row.tolist() == [[base + 7, ENDED, NO_ROW, 2 * base + 3]]
    queries, _, final = compiled.within(joined, 3)
    assert queries.tolist() == [[base + 7, NO_ROW, 2 * base + 3]]
    assert final.tolist() == [5 * base + 4]


def test_places_are_rows():
    ids = np.array([3, 10**10, 10**12])
    found = sampled._places(ids, np.array([[10**12, NO_ROW], [3, ENDED]]))
    assert found.dtype == np.int32 and found.tolist() == [[2, NO_ROW], [0, ENDED]]
