"""Searches in one program: what comes back is what was asked; random search is uniform."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from nasjax import build
from nasjax.controllers.proposals import propose_whole
from nasjax.errors import UserError
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.studies import simulate
from nasjax.studies.analysis.statistics import expected_best
from nasjax.studies.simulate import ENDED, NO_ROW
from nasjax.types import INVALID, OK, VALIDATE, Controller, Evaluator, Outcome, Phase
from tests.witness import asked_by_the_host_loop

TABLES = (
    ("nas_bench_201", "cifar10"),
    ("nas_bench_201", "cifar100"),
    ("nas_bench_201", "imagenet16"),
    ("nas_bench_macro", "cifar10"),
)
TRL_HPO = {
    "name": "trl_hpo",
    "models_per_episode": 2,
    "updates_per_episode": 3,
    "batch_size": 2,
    "min_size": 12,
    "replay_capacity": 64,
    "min_gain": None,
    "min_accuracy": None,
    "validate_every": 1,
    "embed_size": 8,
    "num_heads": 2,
    "num_blocks": 1,
    "expansion": 2,
}


def parts(table=TABLES[0], budget=100, controller=None, **evaluator):
    controller = controller or {"name": "random_search", "models_per_round": 4}
    learner = controller["name"] == "trl_hpo"
    return build.assemble_table(
        {
            "space": {"name": table[0]},
            "evaluator": {"data_set": table[1], **evaluator},
            "controller": controller,
            "reward": {"name": "accuracy_gain" if learner else "accuracy"},
        },
        budget,
    )


@functools.cache
def random_bests(table):
    """[seeds, queries] of the search signal that 500 seeds of random search have asked for."""
    made = parts(table)
    found = simulate.run_seeds(made, np.arange(500), budget=100)
    return made.rows.search_accuracy, made.rows.search_accuracy[found.queries]


@pytest.mark.parametrize("table", TABLES, ids="/".join)
@pytest.mark.parametrize("queries", [1, 10, 100])
def test_the_best_of_so_many_random_ones_is_what_order_statistics_say(table, queries):
    values, asked = random_bests(table)
    best = asked[:, :queries].max(1)
    # Twelve intervals of 99.9 %: one false alarm in 83 changes of what the seeds draw.
    half = scipy.stats.norm.ppf(0.9995) * best.std(ddof=1) / np.sqrt(len(best))
    assert abs(best.mean() - expected_best(values, queries)) < half


def rows_of_the_host_loop(made, seed, budget):
    """Row after row, and the last validated row."""
    rows, final = [], NO_ROW
    for phase, architecture in asked_by_the_host_loop(made, seed, budget):
        index = int(made.space.index(architecture))
        if phase != "validate":
            rows.append(index)
        elif int(architecture[-1, 0]):
            final = index
    return rows[:budget], final


SEEDS = np.array([5, 3, 4])  # of which two devices take two each, one of them again


@functools.cache
def learned():
    """A learner, and what the seeds found in one program that steps them together."""
    made = parts(controller=TRL_HPO, budget=70)
    return made, simulate.run_seeds(made, SEEDS, budget=70)


@pytest.mark.long
def test_the_program_reports_what_the_host_loop_asks_for_in_its_order():
    made = parts(budget=70)
    found = simulate.run_seeds(made, SEEDS, budget=70)
    rows, _ = rows_of_the_host_loop(made, 3, 70)
    assert found.queries.shape == (3, 70)
    np.testing.assert_array_equal(found.queries[1], rows)
    np.testing.assert_array_equal(found.final, NO_ROW)


@pytest.mark.long
def test_the_program_reports_a_learner_as_the_host_loop_does():
    made, found = learned()
    rows, _ = rows_of_the_host_loop(made, 3, 70)
    assert found.queries.shape == (3, 70)
    # A learner's floats may differ in the last bits after some updates.
    np.testing.assert_array_equal(found.queries[1][:40], rows[:40])
    assert (found.updates > 0).all() and (found.final >= 0).all()


@pytest.mark.long
def test_how_many_devices_and_seeds_run_together_changes_no_query():
    made = parts()
    together = simulate.run_seeds(made, np.arange(5), budget=30)
    alone = simulate.run_seeds(made, np.array([4]), budget=30)
    np.testing.assert_array_equal(together.queries[4], alone.queries[0])


@pytest.mark.long
def test_searches_that_take_turns_ask_for_the_same(monkeypatch):
    made, together = learned()
    monkeypatch.setattr(simulate, "_STEPPED_BYTES", 0)
    one_by_one = simulate.run_seeds(made, SEEDS, budget=70)
    np.testing.assert_array_equal(one_by_one.queries[:, :40], together.queries[:, :40])


def test_masked_rows_are_closed_up_and_what_ended_early_says_so():
    row = np.array([[3, ENDED, 4, ENDED, NO_ROW], [ENDED, ENDED, ENDED, 7, ENDED]])
    nothing = simulate.Asked(row, np.full_like(row, ENDED), np.zeros_like(row))
    np.testing.assert_array_equal(simulate.within(nothing, 2)[0], [[3, 4], [7, ENDED]])
    np.testing.assert_array_equal(simulate.within(nothing, 6)[0][0], [3, 4, -1, -2, -2, -2])


def test_nothing_counts_that_came_after_the_budgets_last_query():
    asked = simulate.Asked(
        row=np.array([[3, ENDED, 4, 5, ENDED], [3, 4, ENDED, ENDED, 5], [ENDED] * 5]),
        validated=np.array(
            [[ENDED, 7, ENDED, ENDED, 8], [ENDED] * 5, [ENDED, 9, 6, NO_ROW, ENDED]]
        ),
        updates=np.array([[0, 1, 1, 2, 3], [0, 1, 1, 1, 2], [1, 2, 3, 4, 5]]),
    )
    queries, updates, final = simulate.within(asked, 2)
    np.testing.assert_array_equal(queries, [[3, 4], [3, 4], [ENDED, ENDED]])
    # The second query of the first search is its third row; the third search never spends anything.
    np.testing.assert_array_equal(updates, [1, 1, 5])
    np.testing.assert_array_equal(final, [7, NO_ROW, 6])


class Scripted(NamedTuple):
    """Which round it is, and whether the next row to validate is a prefix."""

    round: jax.Array
    prefix: jax.Array
    nothing: jax.Array  # [0, 3], as the potentials of a learner that has none


def scripted(rounds):
    """Asks for rows 0 and 1, 2, 4 and 5, 6 ..., validates 100, 101 ..., is over after so many.

    Row 1 has no entry. Behind every row validated comes one of its prefixes.
    """
    table, architectures = parts(), jnp.asarray(NasBench201().from_index(np.arange(200)))

    def ask(key, state):
        index = 2 * state.round + jnp.arange(2)
        mask = (state.round < rounds) & (index % 4 != 3)
        return propose_whole(architectures[index], 1, mask), state

    def validate(key, state):
        whole = architectures[100 + state.round]
        asked = whole.at[-1].set(jnp.where(state.prefix, 0, whole[-1]))
        proposal = propose_whole(asked[None], 1, state.round < rounds)
        return proposal._replace(purpose=jnp.full(1, VALIDATE)), state

    def advance(key, state, *exchange):
        return state._replace(round=state.round + state.prefix, prefix=~state.prefix), {}

    def evaluate(seed_key, proposal):
        missing = jax.vmap(NasBench201().index)(proposal.architecture) == 1
        rows = len(missing)
        accuracy = jnp.full(rows, 0.5)
        status = jnp.where(missing, INVALID, OK)
        return Outcome(accuracy[:, None], accuracy, jnp.zeros((rows, 0)), status)

    controller = Controller(
        init=lambda key: Scripted(jnp.int32(0), jnp.bool_(False), jnp.zeros((0, 3))),
        round=(
            Phase("ask", 2, 1, ask, lambda key, state, *exchange: (state, {})),
            Phase("validate", 1, 2, validate, advance),
        ),
        finished=lambda state: state.round >= rounds,
        num_updates=lambda state: 10 * state.round,
    )
    evaluator = Evaluator(evaluate, pure=True)
    evaluation = table.evaluation._replace(evaluator_of=lambda rows: evaluator)
    return table._replace(controller=controller, evaluation=evaluation)


@pytest.mark.parametrize(
    ("rounds", "queries", "updates", "final"),
    [
        # It has finished long before the budget is spent.
        (3, [0, NO_ROW, 2, 4, 5, ENDED, ENDED], 30, 102),
        # The budget's last query is one of round 4, after four rounds' updates.
        (9, [0, NO_ROW, 2, 4, 5, 6, 8], 40, 103),
    ],
)
@pytest.mark.parametrize(("seeds", "at_once"), [(3, 2), (8, 2), (8, 1)])
def test_a_script_is_reported_as_it_was_written(
    monkeypatch, rounds, queries, updates, final, seeds, at_once
):
    """Two devices step their seeds together, or in turns; part of the state has no elements."""
    monkeypatch.setattr(simulate, "_seeds_at_once", lambda controller, share: at_once)
    calls = iter(range(20))  # more, and it does not end
    found = simulate.Searches(scripted(rounds), seeds, budget=7).run(
        np.arange(seeds), lambda queries: next(calls)
    )
    np.testing.assert_array_equal(found.queries, [queries] * seeds)
    np.testing.assert_array_equal(found.updates, [updates] * seeds)
    np.testing.assert_array_equal(found.final, [final] * seeds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 0}, "budgets=0; it must be 1 or more"),
        (
            {"controller": {**TRL_HPO, "min_accuracy": 0.95}},
            r"controller.min_accuracy=0.95; .*0.9161",
        ),
        ({"controller": {**TRL_HPO, "min_size": 64}, "budget": 50}, "controller.min_size=64"),
        ({"costs": ("hw_nas_bench/toaster_latency_ms",)}, "toaster"),
        ({"table": ("nas_bench_201", "svhn")}, "svhn.*cifar100"),
        ({"table": ("nas_bench_301", "cifar10")}, "nas_bench_201"),
    ],
)
def test_a_mistake_ends_in_one_line(change, message):
    with pytest.raises(UserError, match=message):
        parts(**change)


def test_a_reward_that_asks_for_a_cost_wants_one_named():
    config = {
        "space": {"name": "nas_bench_201"},
        "evaluator": {"data_set": "cifar10"},
        "controller": {"name": "reinforce"},
        "reward": {"name": "weighted_product", "target": 5.0},
    }
    with pytest.raises(UserError, match=r"evaluator.costs=\(\); it must be one name"):
        build.assemble_table(config, 10)
