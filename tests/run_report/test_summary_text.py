"""The summary that commands print, on a small run written by hand."""

import numpy as np
import pytest

from nasjax.run_report import report
from nasjax.run_report.summary_text import sparkline, summary_text
from tests.run_report.small_run import CONFIG, CONV, FC, POOL, make_run, text_of, twelve_rows

BEST = {"architecture": text_of([CONV, POOL, FC]), "encoding": [CONV, POOL, FC], "accuracy": 0.97}


def test_it_says_what_was_found_and_what_was_spent(tmp_path) -> None:
    text = summary_text(report.collect(make_run(tmp_path / "run", twelve_rows())))
    assert text.splitlines() == [
        "best network   conv 16 k3 s1 > pool k2 s2 p0 > fc 64 relu",
        "validation     97.00 %  (noise-free 95.00 %)",
        "layers         1 conv 16 k3 s1          90.00 %    +90.00",
        "               2 pool k2 s2 p0          95.00 %     +5.00",
        "               3 fc 64 relu             97.00 %     +2.00",
        "progress       ▁▁  97.00 % to 97.00 %",
        # five architectures were met for the first time, one of them diverged: all count as trained
        "candidates     5 trained, 6 reused, 1 invalid; 10 queries",
        "note           1 diverged: lower evaluator.learning_rate",
        "search         60 s, 2 rounds, 2 programs compiled, 1 updates (untrained: fewer than 100)",
        "run            digits: trl_hpo, seed 7: stopped",
    ]


@pytest.mark.parametrize(
    ("evaluator", "words"),
    [
        ("trained", "98.00 %  (retrained on train + validation)"),
        ("table", "98.00 %  (from the table)"),
        ("surrogate", "98.00 %  (predicted)"),
    ],
)
def test_it_says_where_the_test_accuracy_comes_from(tmp_path, evaluator, words) -> None:
    config = CONFIG | {"evaluator": {"name": evaluator}}
    files = {"config": config, "final_test": BEST | {"test_accuracy": 0.98}}
    text = summary_text(report.collect(make_run(tmp_path / "run", twelve_rows(), **files)))
    assert f"test           {words}" in text


def test_the_sparkline_spans_the_range_and_keeps_the_last_value() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"  # round(3.5) is 4: the fifth of eight blocks
    assert sparkline([0.4]) == "▁"
    many = sparkline(list(np.linspace(0, 1, 1000)))
    assert len(many) == 40 and many[-1] == "█"
