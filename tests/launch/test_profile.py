"""The profile of this machine as a user starts it: what it writes, stopped, gone on with."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from nasjax.devices import measurements
from tests.commands import ROOT, UNOPTIMISED

SMALL = ("--networks=3", "--layers=2", "--image_size=8", "--threads=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("profile")


def flags_of(folder, *flags):
    return [*SMALL, f"--directory={folder / 'here'}", f"--cache_dir={folder / 'cache'}", *flags]


@pytest.fixture
def profile(commands):
    return lambda folder, *flags: commands.run(
        "profile", *flags_of(folder, *flags), env=UNOPTIMISED
    )


def files(folder):
    return {path.name: path.read_bytes() for path in (folder / "here" / "rounds").iterdir()}


@pytest.mark.long
def test_a_stopped_profile_goes_on_with_the_rounds_that_are_there(profile, folder):
    module = (sys.executable, "-m", "launch.profile")
    process = subprocess.Popen(
        [*module, *flags_of(folder, "--repeats=5000")],
        cwd=ROOT,
        env=os.environ | UNOPTIMISED,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (folder / "here" / "rounds" / "0001.json").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err
    assert err.splitlines()[-1].startswith("stopped; whole rounds are kept in")
    before = files(folder)
    stopped = pd.read_csv(folder / "here" / measurements.ROWS)
    assert stopped["repeats"].max() == len(before) >= 2

    done = profile(folder, f"--repeats={len(before) + 1}")
    assert done.returncode == 0, done.stderr
    after = files(folder)
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()  # nothing was measured again
    rows = pd.read_csv(folder / "here" / measurements.ROWS)
    assert set(rows["repeats"].dropna()) == {len(after)}
    assert "# here" in done.stdout and "| latency | ms | 3 |" in done.stdout


@pytest.mark.long
def test_what_it_wrote_is_what_predictors_read(folder):
    found = measurements.read(folder / "here", image_size=8, classes=10)
    latency, layers = found.select("latency_ms"), found.select("layer_latency_ms")
    assert len(latency.values) == 3 and len(layers.values) == 2
    assert (latency.values > 0).all() and np.isfinite(latency.values).all()
    for target in ("throughput_images_per_s", "program_memory_MiB"):
        values = found.select(target).values
        assert len(values) == 3 and (values > 0).all()
    assert not np.isnan(found.features[latency.network]).any()
    macs = found.feature_names.index("macs")
    assert np.ptp(found.features[latency.network, macs]) > 0
    (setting,) = found.settings
    assert (setting.device, setting.batch, setting.threads) == ("here", 1, 1)
    page = json.loads((folder / "here" / "profile.json").read_text())
    assert len(page["rounds"]["processors"]) == 1
    assert page["description"]["kind"] == "cpu"


@pytest.mark.long
def test_measurements_of_other_settings_are_not_mixed(profile, folder):
    done = profile(folder, "--batch=2")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert done.returncode == 2
    assert "config.profile.batch=1, this one has 2; choose another --directory" in line


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--space=nas_bench_2001", ["--space=nas_bench_2001", "nas_bench_201", "layer_chain"]),
        ("--batch=0", ["--batch=0", "positive"]),
        ("--threads=4096", ["--threads=4096; it must be 0 to"]),
        ("--device_description=no.json", ["no.json", "No such file"]),
        ("--directory=", ["--directory=DIRECTORY is needed"]),
    ],
)
def test_a_mistake_ends_in_one_line(profile, folder, flag, words):
    done = profile(folder / "other", flag)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and line.startswith("error: ")
    assert all(word in line for word in words)
    assert not (folder / "other" / "here").exists()
