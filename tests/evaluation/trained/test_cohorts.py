"""The plan of an exchange: worked numbers, and counts that may not rise unnoticed."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.cold import TASKS, distinct_chains
from configs.trl_hpo import digits
from nasjax import build
from nasjax.evaluation.trained import cohorts, network
from nasjax.evaluation.trained.cohorts import TrainedConfig
from nasjax.spaces.layer_chain import LayerChain
from tests.evaluation.trained.test_parity import to_layers

SPACE = LayerChain((8, 8, 1), 10)
EXACT = TrainedConfig(batch_size=16, lanes=2, memory_budget_gib=1.0)


def chain(*layers):
    return SPACE.from_layers(to_layers(layers))


THREE = [
    chain(("conv", 8, 3, 1), ("fc", 16, True, "relu")),
    chain(("conv", 24, 3, 1), ("fc", 24, False, "tanh")),
    chain(("conv", 8, 5, 1)),
]


def test_widths_activations_and_biases_share_a_program_geometry_does_not():
    padded = replace(EXACT, conv_widths=(32,), fc_widths=(32,))
    found = cohorts.form(THREE, SPACE, padded)
    assert [len(cohort.members) for cohort in found] == [2, 1]
    assert len(cohorts.form(THREE, SPACE, EXACT)) == 3


def test_padding_and_idle_lanes_are_counted():
    # True products of an image, two FLOPs each. First: 6 x 6 pixels x 9 x 8, then 288 x 16 and
    # 16 x 10: 2,592 + 4,608 + 160 = 7,360. Second: 36 x 9 x 24, 864 x 24, 24 x 10: 28,752.
    # Padded, twice: 36 x 9 x 32, 1,152 x 32, 32 x 10: 10,368 + 36,864 + 320 = 47,552.
    padded = replace(EXACT, lanes=4, conv_widths=(32,), fc_widths=(32,))
    cohort = cohorts.form(THREE[:2], SPACE, padded)[0]
    assert cohort.flops == 2 * (7_360 + 28_752)
    assert cohort.padded_flops == 2 * 2 * 47_552
    # 9 x 32 + 32, 1,152 x 32 + 32, 32 x 10 + 10 params each.
    assert cohort.params == 2 * (320 + 36_896 + 330)
    assert (cohort.lanes, cohort.runs, cohort.idle) == (4, 1, 0.5)
    # Four lanes of 3 x 16 images x 47,552 multiplications, and 200 for each of 37,546 params.
    assert cohort.multiplications(16) == 4 * (3 * 16 * 47_552 + 200 * 37_546)


@pytest.mark.parametrize("index", range(3))
def test_exact_plans_waste_nothing(index):
    (cohort,) = cohorts.form([THREE[index]], SPACE, replace(EXACT, lanes=1))
    assert cohort.flops == cohort.padded_flops
    assert cohort.idle == 0
    assert cohort.params == network.num_params(cohort.plan, (8, 8, 1), 10)


def test_the_longest_cohort_comes_first():
    work = [c.multiplications(16) for c in cohorts.form(THREE, SPACE, EXACT)]
    assert work == sorted(work, reverse=True)
    assert len(set(work)) == 3


def test_a_plan_over_the_memory_budget_has_no_lanes_and_never_runs():
    (cohort,) = cohorts.form(THREE[:1], SPACE, replace(EXACT, memory_budget_gib=1e-6))
    assert (cohort.lanes, cohort.runs, cohort.idle) == (0, 0, 0.0)


def test_time_grows_with_images_and_epochs():
    (cohort,) = cohorts.form(THREE[:1], SPACE, EXACT)
    once = cohort.seconds(EXACT, 320, gemm_gflops=100.0)
    assert cohort.seconds(EXACT, 640, gemm_gflops=100.0) == pytest.approx(2 * once)
    twice = replace(EXACT, epochs=2 * EXACT.epochs)
    assert cohort.seconds(twice, 320, gemm_gflops=100.0) == pytest.approx(2 * once)
    assert cohort.seconds(EXACT, 320, gemm_gflops=50.0) == pytest.approx(2 * once)


# Guards on counts: programs and padded arithmetic of the 100 random chains of the benchmark. They
# are what the rules of this folder give; a change that raises one has to say so here.
@pytest.mark.long
@pytest.mark.parametrize(
    ("config", "programs", "waste"),
    [
        (build.parse(digits.get_config().to_dict()).evaluator, 62, 3.3),
        (TASKS["digits"].config, 100, 1.0),
    ],
    ids=["digits", "exact"],
)
def test_random_chains_need_no_more_programs_and_padding_than_they_did(config, programs, waste):
    found = cohorts.form(list(distinct_chains(SPACE, 100)), SPACE, config)
    assert sum(len(cohort.members) for cohort in found) == 100
    assert len(found) <= programs
    padded, true = (np.sum([getattr(c, name) for c in found]) for name in ("padded_flops", "flops"))
    assert padded / true <= waste
