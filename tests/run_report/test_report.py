"""The report of a run as it is written, and the command that writes it."""

import json
import pathlib

import numpy as np
import pytest

from launch import command_line
from launch import report as launch_report
from nasjax.errors import UserError
from nasjax.reports import figures, render
from nasjax.run_report import report
from tests.run_report import html_elements
from tests.run_report.small_run import (
    CONFIG,
    CONV,
    FC,
    POOL,
    add_attention,
    candidate,
    make_run,
    round_row,
    text_of,
    twelve_rows,
)

BEST = {"architecture": text_of([CONV, POOL, FC]), "encoding": [CONV, POOL, FC], "accuracy": 0.97}


def markdown(run: pathlib.Path) -> str:
    """The words of the report without its pictures, which take seconds to draw."""
    return render.markdown("run", report.context(report.collect(run)))


@pytest.fixture
def run(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_run(tmp_path / "run", twelve_rows())


def test_the_test_accuracy_is_shown_only_once_the_final_test_was_made(run) -> None:
    summary = {"best": BEST, "validation_accuracy": 0.97, "test_accuracy": 0.1234}
    make_run(run, twelve_rows(), summary=summary)
    text = markdown(run)
    assert "test accuracy" not in text and "12.34" not in text
    assert "The test split has not been read by this run." in text
    make_run(run, twelve_rows(), final_test=BEST | {"test_accuracy": 0.98, "test_images": 357})
    text = markdown(run)
    assert "test accuracy: 98.00 % (357 images, read once)" in text
    assert "The test split was read once, by the final test." in text


def test_a_test_of_another_architecture_says_of_which(run) -> None:
    other = {"architecture": text_of([CONV]), "test_accuracy": 0.9}
    make_run(run, twelve_rows(), final_test=other)
    assert "test accuracy: 90.00 % (of the table; of conv 16 k3 s1)" in markdown(run)


@pytest.mark.parametrize(("updates", "times"), [(99, 3), (100, 0)])
def test_fewer_than_100_updates_are_called_untrained(run, updates, times) -> None:
    make_run(run, [*twelve_rows(), round_row(2, 10, updates, 0.97)])
    # at the head, in the budget, and in the sentence on the origin of the numbers
    assert markdown(run).count("untrained") == times


def test_a_prefix_that_was_never_measured_shows_a_dash(tmp_path) -> None:
    rows = [candidate(0, "propose", 0, [CONV, POOL], accuracy=0.8, reward=0.8, first=True)]
    text = markdown(make_run(tmp_path / "run", [*rows, round_row(0, 1, 0, 0.8)]))
    assert "| 1 | conv 16 k3 s1 | – | – |" in text and "| 2 | pool k2 s2 p0 | 80.00 % | – |" in text


def test_losses_are_listed_by_pair_of_kinds(run) -> None:
    text = markdown(run)
    assert "All 2 losses by pair: " in text
    assert "fc → fc 50 % (1)" in text and "conv → conv 50 % (1)" in text


def test_damage_is_reported(run) -> None:
    with (run / "events.jsonl").open("a") as events:
        events.write('not json\n{"event": "round", "round": 2, "quer')
    (run / "summary.json").write_text('{"best": ')
    text = markdown(run)
    assert "**Note:** Damaged records that were left out: 1." in text
    assert "**Note:** summary.json is damaged and was left out." in text


def test_another_space_leaves_out_what_only_chains_have(tmp_path) -> None:
    config = CONFIG | {"space": {"name": "nas_bench_201"}}
    row = json.loads(candidate(0, "propose", 0, [], accuracy=0.7, reward=0.7, first=True))
    row |= {"architecture": "|nor_conv_3x3~0|", "encoding": [[4], [0], [1], [4], [2], [2]]}
    text = markdown(make_run(tmp_path / "run", [json.dumps(row)], config=config))
    assert "No round has finished yet" in text
    assert "Kinds of layers" not in text and "layer by layer" not in text


@pytest.mark.long
def test_the_report_is_self_contained_well_formed_and_repeatable(run) -> None:
    add_attention(run)
    files = report.write_again(run)
    names = ["curve", "scatter", "kinds", "pairs", "metrics", "heads-actor"]
    names += ["heads-critic", "steps"]
    pictures = [f"figures/{name}.png" for name in names]
    assert files == [run / name for name in ("report.html", "report.md", *pictures)]
    assert all(file.stat().st_size > 0 for file in files)
    page, text = files[0].read_text(), files[1].read_text()
    elements = html_elements.assert_self_contained(page)
    assert elements.tags.count("svg") == len(names)
    assert "&lt;script&gt;alert(1)" in page  # a setting is text, never markup
    assert not any(colour in page for colour in figures.PAGE)  # all stand-in colours were replaced
    assert "The attention weights of" in page and "2 pool k2 s2 p0" in page
    for name in pictures:
        assert f"]({name})" in text
    report.write_html(report.collect(run), run / "again.html")
    assert (run / "again.html").read_text() == page


@pytest.mark.long
def test_many_points_keep_the_report_small(tmp_path) -> None:
    accuracy = np.random.default_rng(0).beta(8, 1, 10_000)
    lines = [
        candidate(0, "propose", i, [CONV], accuracy=a, reward=a) for i, a in enumerate(accuracy)
    ]
    run = make_run(tmp_path / "run", [*lines, round_row(0, 10_000, 0, 1.0)])
    written = report.write_html(report.collect(run), run / "report.html")
    assert written.stat().st_size < 500_000  # as vectors: 10,000 marks of about 90 bytes, 0.9 MB


def test_only_a_directory_with_records_and_config_is_a_run(run) -> None:
    assert report.is_one(run) and not report.is_one(run.parent)
    (run / "config.json").unlink()
    assert not report.is_one(run)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "does not exist"),
        (["other.txt"], "is not a run directory"),
        (["config.json", "events.jsonl"], "no events yet"),
    ],
)
def test_a_directory_without_a_run_ends_with_one_line_and_code_2(
    tmp_path, capsys, files, words
) -> None:
    workdir = tmp_path / "somewhere"
    for name in files:
        workdir.mkdir(exist_ok=True)
        (workdir / name).touch()
    assert command_line.run(launch_report.COMMAND, [str(workdir)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: '{workdir}' ") and words in message
    assert message.count("\n") == 1 and message.endswith("\n")


@pytest.mark.long
def test_the_command_writes_report_and_picture_and_prints_the_summary(run, capsys) -> None:
    output, picture = run / "page.html", run / "picture.png"
    asked = [str(run), f"--output={output}", f"--picture={picture}"]
    assert command_line.run(launch_report.COMMAND, asked) == 0
    printed = capsys.readouterr().out
    assert "best network   conv 16 k3 s1 > pool k2 s2 p0 > fc 64 relu" in printed
    assert picture.read_bytes().startswith(b"\x89PNG") and output.is_file()
    with pytest.raises(UserError, match="cannot write .*page.html"):
        report.write_html(report.collect(run), output / "page.html")
