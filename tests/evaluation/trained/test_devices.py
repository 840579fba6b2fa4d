"""Lanes over devices and processes: where a candidate trains changes no bit of its result."""

import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from nasjax.evaluation.trained import cohorts
from nasjax.evaluation.trained.evaluator import TrainedEvaluator
from tests.evaluation.trained.test_evaluator import (
    CONFIG,
    DATA,
    SEED_KEY,
    SPACE,
    fc_chain,
    proposal,
)

ROOT = pathlib.Path(__file__).parents[3]
CHAINS = [fc_chain(16), fc_chain(24, "tanh"), fc_chain(32, "gelu", bias=False), fc_chain(8)]

# argv: the coordinator, how many processes, which one this is, a folder. Prints one line of JSON:
# accuracies as trained, as a second evaluator finds them in the store, and how it came by them.
TRAIN = """
import json, pathlib, sys
import jax
address, count, index = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if count > 1:
    jax.distributed.initialize(address, count, index)
from nasjax.evaluation.trained.evaluator import TrainedEvaluator
from nasjax.evaluation.trained.store import ResultStore
from tests.evaluation.trained import test_devices as t
assert jax.device_count() == 2 and jax.process_count() == count
store = ResultStore(pathlib.Path(sys.argv[4]) / f"{count}-{index}.sqlite")
found = []
for _ in range(2):
    evaluator = TrainedEvaluator(t.CONFIG, t.SPACE, t.DATA, store)
    outcome = evaluator.evaluate(t.SEED_KEY, t.proposal(*t.CHAINS))
    found.append([outcome.accuracies.tolist(), outcome.accuracy.tolist()])
print(json.dumps([*found, [evaluator.provenance(c)["source"] for c in t.CHAINS]]))
"""


def conv_chain(filters):
    """Two convolutions, the second with fewer filters than channels: see convolution.py."""
    return SPACE.from_layers(
        [
            {"kind": "conv", "filters": filters, "kernel": 3, "stride": 1},
            {"kind": "conv", "filters": 8, "kernel": 3, "stride": 1},
        ]
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("chains", "changes"),
    [
        (CHAINS, {}),
        ([conv_chain(16), conv_chain(24)], {"lanes": 1, "conv_widths": (8, 32)}),
    ],
    ids=["several lanes", "one lane, two convolutions"],
)
def test_a_cohort_over_two_devices_gives_the_bits_of_each_alone(chains, changes):
    assert jax.device_count() == 2  # tests/conftest.py
    config = dataclasses.replace(CONFIG, **changes)
    assert len(chains) > config.lanes  # else one device would do
    together = TrainedEvaluator(config, SPACE, DATA)
    outcome = together.evaluate(SEED_KEY, proposal(*chains))
    ((_, place, _),) = together._trainer[1].programs.compiled
    assert place.size == 2
    alone = TrainedEvaluator(config, SPACE, DATA)
    for row, chain in enumerate(chains):
        single = alone.evaluate(SEED_KEY, proposal(chain))
        np.testing.assert_array_equal(single.accuracies[0], outcome.accuracies[row])
    ((_, place, _),) = alone._trainer[1].programs.compiled
    assert place.size == 1


def test_plans_of_a_few_candidates_take_the_devices_in_turn():
    evaluator = TrainedEvaluator(CONFIG, SPACE, DATA)
    programs = evaluator._make_trainer(SEED_KEY).programs
    plans = [cohorts.make_plan(fc_chain(n), SPACE, CONFIG)[0] for n in (40, 48, 56)]
    places = [programs.place(plan, members=1, lanes=3) for plan in (*plans, plans[0])]
    devices = [place.devices.item() for place in places]
    first, second = jax.local_devices()
    assert devices == [first, second, first, first]


def train(processes, folder):
    """The output of TRAIN on two devices, in each of several processes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    count = 2 // processes
    flags = f"--xla_force_host_platform_device_count={count}"
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, address, str(processes), str(index), folder],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    found = []
    try:
        for process in started:
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err[-3000:]
            found.append(json.loads(out.splitlines()[-1]))
    finally:
        for process in started:  # one that waits for another's end would wait for ever
            process.kill()
    return found


@pytest.mark.long
def test_two_processes_of_a_device_each_give_the_accuracies_of_one_with_two(tmp_path):
    first, second = train(2, str(tmp_path))
    assert first == second == train(1, str(tmp_path))[0]
    trained, stored, sources = first
    assert max(trained[1]) > 0.8  # they learned something: a third would be chance
    # The second process's own store is empty; it takes what the first one has.
    assert trained == stored and set(sources) == {"store"}
