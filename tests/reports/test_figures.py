"""Figures become SVG that is unique in its page and follows its colours."""

import re

import numpy as np
import pytest

from nasjax.reports import figures


def svg(name: str) -> str:
    with figures.style(figures.PAGE):
        figure, (left, right) = figures.canvas(4.0, 2.0, columns=2, panels=2)
        left.plot([0, 1], [0.5, 0.99], color=figures.BLUE, label="series")
        figures.legend(left, columns=1)
        figures.accuracy_scale(left, [0.5, 0.99, np.nan])
        right.set_title("title")
        return figures.to_svg(figure, name)


def test_text_stays_text_and_its_colours_follow_the_page() -> None:
    text = svg("one")
    assert text.startswith("<svg") and ">title<" in text and ">series<" in text
    assert "<metadata" not in text and not any(ink in text for ink in figures.PAGE)
    assert {"var(--ink)", "var(--muted)", "var(--grid)"} <= set(re.findall(r"var\(--\w+\)", text))
    assert figures.BLUE in text  # the colours of series stay


def test_ids_and_links_begin_with_the_name_and_the_bytes_repeat() -> None:
    text = svg("one")
    ids = re.findall(r'\bid="([^"]*)"', text)
    links = re.findall(r'(?:href="|url\()#([^")]*)', text)
    assert ids and links and len(ids) == len(set(ids))
    assert all(name.startswith("one-") for name in (*ids, *links)) and set(links) <= set(ids)
    assert svg("one") == text and not set(re.findall(r'\bid="([^"]*)"', svg("two"))) & set(ids)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.5, 0.99], ["50 %", "80 %", "90 %", "95 %", "98 %", "99 %", "100 %"]),
        ([0.85, 0.99], ["80 %", "90 %", "95 %", "98 %", "99 %", "100 %"]),
    ],
)
def test_high_accuracies_are_stretched_towards_one(values, labels) -> None:
    _, (axes,) = figures.canvas(2.0, 2.0)
    figures.accuracy_scale(axes, values)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == labels
    # 98 % to 99 % takes more room than 80 % to 90 %: log10((1.01 - .98) / (1.01 - .99)) = 0.18,
    # log10((1.01 - .8) / (1.01 - .9)) = 0.28 for ten times the distance
    scale = axes.yaxis.get_transform().transform
    assert scale(0.99) - scale(0.98) == pytest.approx(np.log10(3 / 2))
    assert scale(0.9) - scale(0.8) == pytest.approx(np.log10(21 / 11))


def test_low_accuracies_are_linear_with_room_and_no_value_at_all_is_no_error() -> None:
    _, (axes,) = figures.canvas(2.0, 2.0)
    figures.accuracy_scale(axes, [0.2, 0.7])
    assert axes.get_ylim() == pytest.approx((0.16, 0.74))  # 8 % of 0.5 on either side
    figures.accuracy_scale(axes, [np.nan])


def test_the_settings_of_a_figure_end_with_it() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with figures.style(figures.PAPER):
        assert matplotlib.rcParams["text.color"] == figures.PAPER.ink
        assert matplotlib.rcParams["axes.labelcolor"] == figures.PAPER.muted
    assert dict(matplotlib.rcParams) == before
