"""A study that an earlier nasjax kept is written again with the figures that it had.

kept/ was made by commit 9077016:

    python -m launch.study --config=configs/studies/quick.py --directory=kept \\
        "--config.study.tables=('nas_bench_macro/cifar10',)" "--config.study.budgets=(12,)" \\
        --config.study.seeds=4 "--config.study.costs=('network/params_m',)" \\
        "--config.study.quantiles=(0.25,)" "--config.study.measures=('network/macs_m',)"

expected.json has `cells`, `aggregates` and `ratios` of its study.json, its picks.json as `picks`,
and the lines of tables of its report.md as `tables`.
"""

import json
import pathlib
import shutil

import pytest

from nasjax.reports.render import Picture
from nasjax.studies import report

KEPT = pathlib.Path(__file__).parent / "kept"


def same(found: object, expected: object) -> bool:
    """Equal, numbers but for the last bits: BLAS sums in another order on other cores."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return list(found) == list(expected) and all(same(found[k], expected[k]) for k in found)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    return type(found) is type(expected) and found == expected


def test_a_study_kept_by_an_earlier_version_is_written_again_with_its_figures(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picture, "svg", lambda picture: "<svg></svg>")
    monkeypatch.setattr(Picture, "write_png", lambda picture, directory: directory)
    directory = tmp_path / "kept"
    shutil.copytree(KEPT, directory)
    expected = json.loads((directory / "expected.json").read_text())
    assert report.is_one(directory) and not report.is_one(tmp_path)
    (directory / "versions.json").write_text('{"commit": "9077016", "command": "study"}')
    report.write_again(directory)
    study = json.loads((directory / "study.json").read_text())
    # A number names the run that made it, not the one that wrote it again.
    assert (study["commit"], study["command"]) == ("9077016", "study")
    for key in ("cells", "aggregates", "ratios"):
        assert same(study[key], expected[key]), key
    assert same(json.loads((directory / "picks.json").read_text()), expected["picks"])
    lines = (directory / "report.md").read_text().splitlines()
    assert [line.strip() for line in lines if line.startswith("|")] == expected["tables"]
