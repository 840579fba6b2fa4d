"""Predicted outcomes: equal to the saved predictors, inside jit and under vmap; bad input."""

import dataclasses
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax import build, registry
from nasjax.errors import UserError
from nasjax.evaluation import surrogate
from nasjax.evaluation.surrogate import SurrogateConfig
from nasjax.predictors import saved
from nasjax.spaces.mnasnet import MnasNet
from nasjax.types import INVALID, OK, PROPOSE, Proposal
from tests.surrogates import SUMS, Sums, by_hand, keep, keep_all

SPACE = Sums()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved")
    keep_all(path)
    return path


def config(directory, **changes):
    changed = {"data_set": "sums", "directory": str(directory), "costs": ("latency_ms", "size_m")}
    return SurrogateConfig(**changed | changes)


def evaluator(directory, **changes):
    settings = config(directory, **changes)
    surrogates = surrogate.load(settings, SPACE, registry.of_saved)
    predictors = tuple(each.predictor for each in (surrogates.accuracy, *surrogates.costs))
    seen = surrogate.seen_of(surrogates)
    return surrogates, surrogate.make_surrogate(seen, predictors, SPACE, settings)


@pytest.fixture(scope="module")
def made(directory):
    return evaluator(directory)[1]


def proposal(architectures):
    rows = len(architectures)
    return Proposal(
        jnp.asarray(architectures),
        jnp.ones(rows, bool),
        jnp.full(rows, PROPOSE),
        jnp.zeros((rows, 32)),
    )


ARCHITECTURES = np.random.default_rng(0).integers(1, 4, (12, 20, 1)).astype(np.int32)


def test_outcomes_are_what_the_saved_predictors_say_out_of_jit(directory, made):
    found = made.evaluate(jax.random.key(0), proposal(ARCHITECTURES))
    digits = ARCHITECTURES[:, :, 0] - 1
    read = saved.load(directory / "top1_search")
    features = jnp.asarray(digits, jnp.float32)
    expected = registry.of_saved(read, SPACE).predict(read.params, features).value
    np.testing.assert_allclose(found.accuracy, expected, rtol=1e-6)
    np.testing.assert_allclose(found.accuracy, by_hand(1, 0.1, digits), rtol=1e-5)
    np.testing.assert_allclose(found.costs[:, 0], by_hand(3, 1.0, digits), rtol=1e-5)
    np.testing.assert_allclose(found.costs[:, 1], by_hand(4, 2.0, digits), rtol=1e-5)
    np.testing.assert_array_equal(found.status, OK)


def test_what_is_reported_comes_from_the_other_predictor(directory):
    surrogates, _ = evaluator(directory)
    rows = surrogate.predict_rows(surrogates, SPACE, ARCHITECTURES)
    digits = ARCHITECTURES[:, :, 0] - 1
    np.testing.assert_allclose(rows.search_accuracy, by_hand(1, 0.1, digits), rtol=1e-5)
    np.testing.assert_allclose(rows.reported_accuracy, by_hand(2, 0.1, digits), rtol=1e-5)
    expected = np.stack([by_hand(3, 1.0, digits), by_hand(4, 2.0, digits)], 1)
    np.testing.assert_allclose(rows.costs, expected, rtol=1e-5)


def test_chunks_and_padding_change_no_row(directory, monkeypatch):
    surrogates, _ = evaluator(directory)
    whole = surrogate.predict_rows(surrogates, SPACE, ARCHITECTURES)
    monkeypatch.setattr(surrogate, "_AT_ONCE", 8)
    chunks = surrogate.predict_rows(surrogates, SPACE, ARCHITECTURES)
    for one, other in zip(whole, chunks, strict=True):
        np.testing.assert_array_equal(one, other)


def test_under_vmap_every_seed_gets_what_it_gets_alone(made):
    seeds = jax.random.split(jax.random.key(0), 2)
    asked = proposal(np.concatenate([ARCHITECTURES, ARCHITECTURES[::-1] % 3 + 1]))
    stacked = jax.tree.map(lambda leaf: leaf.reshape(2, 12, *leaf.shape[1:]), asked)
    together = jax.jit(jax.vmap(made.evaluate))(seeds, stacked)
    for i in range(2):
        alone = made.evaluate(seeds[i], jax.tree.map(operator.itemgetter(i), stacked))
        np.testing.assert_array_equal(together.accuracies[i], alone.accuracies)
        np.testing.assert_allclose(together.accuracy[i], alone.accuracy, rtol=1e-6)


def test_noise_is_drawn_once_per_architecture_whichever_word_tells_it_apart(directory):
    keep(directory, "flat", 0, 0.5, slope=0.0)  # else counts would differ by what is predicted
    _, made = evaluator(directory, accuracy="flat")
    # One architecture twice; then the first slot (high word), then the last (low word) differs.
    rows = np.repeat(ARCHITECTURES[:1], 4, axis=0)
    rows[2, 0] = rows[2, 0] % 3 + 1
    rows[3, -2] = rows[3, -2] % 3 + 1
    found = np.asarray(made.evaluate(jax.random.key(0), proposal(rows)).accuracies)
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any() and (found[0] != found[3]).any()
    assert set(np.unique(found * 16 % 1)) == {0}
    _, plain = evaluator(directory, accuracy="flat", noise=False)
    outcome = plain.evaluate(jax.random.key(0), proposal(rows))
    np.testing.assert_array_equal(outcome.accuracies, np.tile(outcome.accuracy[:, None], 32))


def test_a_gap_is_invalid_and_a_prefix_is_closed(made):
    rows = ARCHITECTURES.copy()
    rows[0, 4] = 0
    rows[1, 10:] = 0
    found = made.evaluate(jax.random.key(0), proposal(rows))
    np.testing.assert_array_equal(found.status, [INVALID, *[OK] * 11])
    np.testing.assert_array_equal(found.costs[0], 0)
    closed = np.maximum(rows[1:2, :, 0] - 1, 0)
    np.testing.assert_allclose(found.accuracy[1], by_hand(1, 0.1, closed)[0], rtol=1e-5)


def test_the_sample_is_fixed_and_uniform():
    drawn = surrogate.drawn_from(SPACE)
    assert drawn.shape == (10_000, 20, 1)
    # 3,333 of each operation in each slot, deviation 47: five of them, 60 counts, a fixed seed.
    counts = np.stack([(drawn[:, :, 0] == code).sum(0) for code in (1, 2, 3)])
    assert abs(counts - 10_000 / 3).max() < 5 * 47.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"directory": "no/such"}, "cannot read the predictor no/such/top1_search: No such file"),
        ({"costs": ("power_w",)}, "cannot read the predictor .*power_w: No such file"),
        ({"data_set": "digits"}, "evaluator.data_set='digits'; it must be 'sums', which .*top1"),
    ],
)
def test_bad_input_is_one_line(directory, changes, message):
    with pytest.raises(UserError, match=message) as error:
        settings = SurrogateConfig(**dataclasses.asdict(config(directory)) | changes)
        surrogate.load(settings, SPACE, registry.of_saved)
    assert "\n" not in str(error.value)


def test_a_predictor_of_another_space_is_refused(directory):
    with pytest.raises(UserError, match="top1_search reads other features than these"):
        surrogate.load(config(directory), MnasNet(), registry.of_saved)


def test_a_run_goes_on_with_no_other_predictors(tmp_path):
    keep_all(tmp_path)
    begun = surrogate.with_digest(config(tmp_path, costs=()), ("latency_ms",))
    assert surrogate.with_digest(begun, ("latency_ms",)) == begun
    keep(tmp_path, "size_m", 9, 2.0)  # is not one of them
    assert surrogate.with_digest(begun, ("latency_ms",)) == begun
    keep(tmp_path, "latency_ms", 9, 1.0)
    with pytest.raises(UserError, match="evaluator.digest"):
        surrogate.with_digest(begun, ("latency_ms",))


@pytest.fixture
def known_space(monkeypatch):
    monkeypatch.setitem(registry.SPACES, "sums", SUMS)


def searched(directory, **evaluator):
    return {
        "seed": 0,
        "space": {"name": "sums"},
        "controller": {"name": "random_search", "models_per_round": 1},
        "evaluator": {"name": "surrogate", **dataclasses.asdict(config(directory, **evaluator))},
        "reward": {"name": "accuracy"},
        "search": {"rounds": 2},
    }


def test_the_final_test_reads_the_reported_accuracy(directory, known_space, tmp_path):
    settings = build.parse(searched(directory))
    parts = build.assemble(settings, cache_dir=tmp_path)
    tested = parts.evaluation.test(ARCHITECTURES[0])
    expected = by_hand(2, 0.1, ARCHITECTURES[:1, :, 0] - 1)
    np.testing.assert_allclose(tested["test_accuracy"], expected[0], rtol=1e-5)
    kept = build.resolved(settings, parts.space)["evaluator"]
    assert len(kept["digest"]) == 16
    assert parts.evaluator.cost_names == ("latency_ms", "size_m")
    # A learner that counts costs in medians has those of the sample.
    digits = surrogate.drawn_from(SPACE)[:, :, 0] - 1
    table = build.assemble_table(
        {key: value for key, value in searched(directory).items() if key not in ("seed", "search")},
        10,
    )
    assert np.median(table.rows.costs[:, 0]) == pytest.approx(
        np.median(by_hand(3, 1.0, digits)), rel=1e-5
    )


def test_a_table_is_no_evaluator_of_such_a_space(directory, known_space):
    wrong = searched(directory) | {"evaluator": {"name": "table", "data_set": "sums"}}
    with pytest.raises(UserError, match=r"evaluator.name='table'; .*'surrogate'"):
        build.parse(wrong)
