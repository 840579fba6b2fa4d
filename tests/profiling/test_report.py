"""Reports of profiles: worked figures, and a kept profile whose report is written again."""

import json
import pathlib
import re
import shutil

import pandas as pd
import pytest

from nasjax.devices import measurements
from nasjax.errors import UserError
from nasjax.profiling import aggregate, report
from tests.profiling.worked_profile import (
    CONFIG,
    DESCRIPTION,
    PROGRAMS,
    ROUNDS,
    keep,
    make_round,
    write_config,
)

# Made at commit 9077016, before reports had templates, by
# the profile command with --networks=6 --layers=3 --repeats=3 --directory=laptop
KEPT = pathlib.Path(__file__).parent / "kept"


@pytest.fixture
def kept(tmp_path):
    return pathlib.Path(shutil.copytree(KEPT, tmp_path / "laptop"))


def profile_of(directory):
    return json.loads((directory / "profile.json").read_text())


def test_the_report_has_ranges_rank_correlations_and_the_spread_of_rounds(tmp_path):
    keep(tmp_path, ROUNDS)
    aggregate.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS)
    written = report.write(tmp_path, "energy: none")
    profile = profile_of(tmp_path)
    latency = profile["targets"]["latency"]
    assert (latency["lowest"], latency["highest"], latency["spearman_macs"]) == (3.0, 10.0, 1.0)
    assert profile["targets"]["throughput"]["spearman_macs"] == -1.0
    assert latency["largest_relative_spread"] == pytest.approx(1 / 3, abs=1e-4)
    assert "spearman_macs" not in profile["targets"]["layer_latency"]  # there is one layer
    # Rounds add up to 1 + 10 + 0.5 to 100 + 10 + 0.5 ms.
    assert profile["rounds"]["sum_ms"] == [11.5, 110.5]
    assert profile["rounds"]["clock_mhz"] == [1, 2]
    text = (tmp_path / "report.md").read_text()
    # 8 images of 5 macs in 0.5 ms: 8e4 macs a second.
    assert "| layer | 0.5 | 0 | 8e-05 |" in text and "energy: none" in text
    assert {path.name for path in written} == {
        "profile.json",
        "report.html",
        "report.md",
        "latency.png",
    }
    assert all(path.stat().st_size for path in written)
    assert pd.read_csv(tmp_path / measurements.ROWS)["target"].nunique() == 5


def test_a_kept_profile_is_written_again_with_the_same_figures(kept):
    before = profile_of(kept)
    measured = {path: path.read_bytes() for path in kept.rglob("*.csv")}
    assert report.is_one(kept)
    report.write_again(kept)
    after = profile_of(kept)
    assert list(after) == list(before)
    assert after.pop("written") != before.pop("written")
    assert after == before
    assert all(path.read_bytes() == content for path, content in measured.items())


def figures(text):
    """The decimal numbers of a report, without pictures, versions, times and markup."""
    text = re.sub(r"<svg.*?</svg>|<style>.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL)
    return set(re.findall(r"(?<![\w.:-])\d+\.?\d*(?![\w:-])", text.split("commit")[0]))


def test_a_kept_report_still_has_all_its_figures(kept):
    before = figures((kept / "report.md").read_text())
    assert len(before) > 40
    report.write_again(kept)
    for name in ("report.md", "report.html"):
        assert before - figures((kept / name).read_text()) == set(), name


def test_an_unfinished_profile_has_a_report_of_its_rounds(kept):
    (kept / "profile.json").unlink()
    (kept / "rounds" / "0002.json").unlink()
    report.write_again(kept)
    profile = profile_of(kept)
    assert profile["rounds"]["count"] == 2 and profile["energy"] == "energy: not measured"


def test_an_unfinished_profile_says_that_energy_was_measured(tmp_path):
    keep(tmp_path, [make_round(1.0, 10.0, 0.5, {"small": 3.0})])
    aggregate.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS)
    report.write_again(tmp_path)
    assert profile_of(tmp_path)["energy"] == "energy: measured"


def test_a_profile_without_a_round_has_nothing_to_report(tmp_path):
    write_config(tmp_path)
    assert report.is_one(tmp_path)
    with pytest.raises(UserError, match="has no round yet; there is nothing to report"):
        report.write_again(tmp_path)


def test_only_a_directory_with_a_profiles_config_is_a_profile(tmp_path):
    assert not report.is_one(tmp_path)
    (tmp_path / "config.json").write_text('{"search": {}}')
    assert not report.is_one(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert not report.is_one(tmp_path)
