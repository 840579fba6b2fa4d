"""Reports of studies that earlier code kept: the same figures, without fits and measurements."""

import json
import pathlib
import re
import shutil

import pytest

from nasjax.devices import measurements
from nasjax.errors import UserError
from nasjax.predictor_studies import config, methods, report, sources, surrogates
from nasjax.predictor_studies.comparison import fits
from nasjax.predictor_studies.unseen_devices import experiment as unseen_devices
from nasjax.predictors import piecewise, transfer
from nasjax.predictors.predictor import Predictor

KEPT = pathlib.Path(__file__).parent / "kept"
# A row of every report, rounded by hand from the figures that predictors.json was kept with.
ROWS = {
    "comparison": "| forest | 0.5909 | 0.0059 | 0.4650 | 0.4650 | 0.7167 | 0.4367 | 0.601 | 37 % |",
    "unseen_devices": "| 0 | 0.9733 |  |",
    "described_devices": "| forest, over-sampled | 0.353 | 0.358 | 1.94 | 11 % | 0.786 |",
    "surrogates": "| top1_reported | few_trees | 2568 | 2570 | 0.0712 | 0.613 | 0.000 |",
}
PICTURES = {
    "comparison": {"curve.png", "response_forest.png", "response_svr.png"},
    "unseen_devices": {"unseen_devices.png"},
}


def refuse(*arguments, **settings):
    raise AssertionError("a report neither fits anything nor reads measurements")


@pytest.fixture
def nothing_to_fit(monkeypatch):
    """All that fits or reads measurements is refused."""
    parse = methods.parse_method

    def parse_method(values, space):
        return parse(values, space)._replace(predictor=Predictor(refuse, refuse))

    for module in (methods, unseen_devices):
        monkeypatch.setattr(module, "parse_method", parse_method)
    for module, name in [
        (piecewise, "fit_executability"),
        (transfer, "fit"),
        (fits, "read_measured"),
        (sources, "load"),
        (surrogates, "load_networks"),
        (measurements, "read"),
        (measurements, "digest"),
    ]:
        monkeypatch.setattr(module, name, refuse)


@pytest.fixture(params=ROWS)
def study(request, tmp_path):
    """(Name, a copy of its directory)."""
    return request.param, shutil.copytree(KEPT / request.param, tmp_path / request.param)


def without_paths(found, directory):
    """The figures: neither when they were written nor where."""
    text = json.dumps({key: value for key, value in found.items() if key != "written"})
    return json.loads(re.sub(rf'"[^"]*\b{directory.name}/saved/', '"saved/', text))


@pytest.mark.long
def test_a_report_is_written_again_with_the_figures_that_were_kept(study, nothing_to_fit):
    name, directory = study
    before = json.loads((directory / "predictors.json").read_text())
    assert report.is_one(directory)
    written = report.write_again(directory)
    after = json.loads((directory / "predictors.json").read_text())
    assert list(after) == list(before)
    assert without_paths(after, directory) == without_paths(before, directory)
    names = {"predictors.json", "report.html", "report.md"} | PICTURES.get(name, set())
    assert {path.name for path in written} == names
    assert all(path.stat().st_size for path in written)
    markdown, page = ((directory / f"report.{suffix}").read_text() for suffix in ("md", "html"))
    assert ROWS[name] in markdown
    assert all(f">{cell}</td>" in page for cell in re.findall(r"0\.\d{3,}", ROWS[name]))
    assert page.count("<svg") == len(PICTURES.get(name, ()))
    assert before["commit"] in markdown


def test_a_study_that_earlier_code_finished_has_no_jobs_left(study, nothing_to_fit):
    _, directory = study
    assert config.read(directory).jobs(directory) == []


def test_a_measurement_that_nobody_kept_is_a_job(study, nothing_to_fit):
    name, directory = study
    (directory / "predictors.json").unlink()
    left = {"comparison": ["executability", "in_jit"], "surrogates": ["agreement"]}
    assert [job.name for job in config.read(directory).jobs(directory)] == left.get(name, [])
    found = config.read(directory).analyse(directory)  # of what is there
    assert not {"executability", "in_jit"} & set(found)


def test_other_directories_hold_no_experiment_on_predictors(tmp_path):
    assert not report.is_one(tmp_path)
    (tmp_path / "config.json").write_text('{"space": {}, "controller": {}}')
    assert not report.is_one(tmp_path)
    (tmp_path / "config.json").write_text("[1")
    assert not report.is_one(tmp_path)
    with pytest.raises(UserError, match="cannot read .*config.json"):
        report.write_again(tmp_path)
