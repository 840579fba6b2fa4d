"""One template gives an HTML page and Markdown, and no value can end its cell, line or element."""

import html.parser
import re

import pytest
from jinja2 import UndefinedError, meta

from nasjax.reports import figures, render
from nasjax.reports.render import Picture
from tests.run_report.html_elements import assert_self_contained

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b||c",
    "two\nlines",
    "`code` and ``more``",
    "![picture](https://example.org/x.png)",
    "[link](javascript:alert(1))",
    "*bold* _em_ __init__ ~~gone~~",
    "$x$ & &lt; \\",
    "</td></table></section>",
    "\"quoted\" and 'single'",
]
TEMPLATE = """
{% extends "page.j2" %}
{% import "macros.j2" as m %}
{% block body %}
{% call m.section(word) %}
{{ m.heading(word) }}
{% call m.paragraph() %}Paragraph {{ word }}{% endcall %}
{% call m.note() %}Note {{ word }}{% endcall %}
{% call m.warning() %}Warning {{ word }}{% endcall %}
{{ m.answer(word) }}
{{ m.tiles([("tile", word), (word, "tile", word)]) }}
{{ m.table(["head", word], [["first", word], [word, 2]]) }}
{% call m.folded("Settings") %}{{ m.settings({"section": {"key": word}}) }}{% endcall %}
{% endcall %}
{% endblock %}
"""


@pytest.fixture
def template(tmp_path, monkeypatch):
    """(text) -> the name of a template with that text, beside the project's macros."""
    for form in ("html", "markdown"):
        (tmp_path / form).symlink_to(render.TEMPLATES / form)
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    render._environment.cache_clear()

    def write(text: str) -> str:
        (tmp_path / "tried.j2").write_text(text)
        return "tried"

    yield write
    render._environment.cache_clear()


class Words(html.parser.HTMLParser):
    """The text of a page, as a browser shows it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words += data


def unescaped(markdown: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)


@pytest.mark.parametrize("word", HOSTILE)
def test_html_shows_a_value_literally_wherever_it_stands(template, word) -> None:
    page = render.html(template(TEMPLATE), {"title": word, "word": word})
    elements = assert_self_contained(page)
    assert "script" not in elements.tags and "img" not in elements.tags
    # title and heading of the page, and each of the places in the template
    assert Words(page).words.count(word) == 2 + TEMPLATE.count("word")
    plain = render.html("tried", {"title": "t", "word": "plain"})
    assert elements.tags == assert_self_contained(plain).tags  # the value added no element


@pytest.mark.parametrize("word", HOSTILE)
def test_markdown_shows_a_value_literally_wherever_it_stands(template, word) -> None:
    text = render.markdown(template(TEMPLATE), {"title": word, "word": word})
    one_line = word.replace("\n", " ")
    assert unescaped(text).count(one_line) == 1 + TEMPLATE.count("word")
    plain = render.markdown("tried", {"title": "t", "word": "plain"})
    assert text.count("\n") == plain.count("\n")  # the value ended no line

    def cells(form: str) -> list[int]:
        rows = [line for line in form.splitlines() if line.startswith("|")]
        return [len(re.findall(r"(?<!\\)\|", row)) for row in rows]

    assert cells(text) == cells(plain) == [3] * 4  # nor a cell
    # every character that starts markup is escaped
    assert not re.search(r"(?<!\\)[`<&$]|(?<!\\)\]\(", text.replace("\\\\", ""))


def test_both_forms_have_the_same_macros_with_the_same_arguments() -> None:
    found = {}
    for form in ("html", "markdown"):
        module = render._environment(form).get_template("macros.j2").module
        found[form] = {
            name: (macro.arguments, macro.caller)
            for name, macro in vars(module).items()
            if hasattr(macro, "arguments")
        }
    assert found["html"] == found["markdown"] and {"table", "section"} <= found["html"].keys()


def test_every_template_asks_for_names_that_both_forms_have(template) -> None:
    with pytest.raises(UndefinedError, match="missing"):
        render.html(template("{{ missing }}"), {})
    with pytest.raises(UndefinedError, match="missing"):
        render.markdown("tried", {})


def test_a_picture_is_drawn_inside_the_page_and_beside_the_markdown(template, tmp_path) -> None:
    def draw(inks: figures.Inks):
        drawn.append(inks)
        figure, (axes,) = figures.canvas(2.0, 1.0)
        axes.set_title("shown & told")
        return figure

    drawn: list[figures.Inks] = []
    picture = Picture("curve", "figures/curve.png", "a [curve]", draw)
    text = (
        '{% extends "page.j2" %}{% import "macros.j2" as m %}{% block body %}'
        "{% call m.picture(shown) %}Caption{% endcall %}{% endblock %}"
    )
    context = {"title": "t", "shown": picture}
    written = render.write(tmp_path / "out", template(text), context, [picture])
    names = ["report.html", "report.md", "figures/curve.png"]
    assert written == [tmp_path / "out" / name for name in names]
    page = written[0].read_text()
    assert assert_self_contained(page).tags.count("svg") == 1 and "shown &amp; told" in page
    assert "var(--ink)" in page and not any(ink in page for ink in figures.PAGE)
    assert "![a \\[curve\\]](figures/curve.png)\n\nCaption" in written[1].read_text()
    assert written[2].read_bytes().startswith(b"\x89PNG")
    assert drawn == [figures.PAGE, figures.PAPER]
    assert render.html("tried", context) == page  # the same bytes again


@pytest.mark.parametrize(
    ("given", "shown"),
    [(0.9727, "97.27 %"), (1, "100.00 %"), (float("nan"), "–"), (None, "–"), ("text", "–")],
)
def test_per_cent(given, shown) -> None:
    assert render.percent(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [(1.005, "1.00 ms"), (None, "–"), (float("nan"), "–"), (float("inf"), "∞")],
)
def test_numbers_with_a_unit(given, shown) -> None:
    assert render.number(given, ".2f", " ms") == shown


def test_counts_have_separators_and_nested_settings_become_paths() -> None:
    assert render.count(12345.6) == "12,346"
    settings = {"a": {"b": 1, "c": {}}, "d": [2]}
    assert [*render.flatten(settings)] == [("a.b", "1"), ("a.c", "{}"), ("d", "[2]")]


def test_the_templates_of_the_project_are_valid_in_both_forms() -> None:
    for path in render.TEMPLATES.glob("*.j2"):
        for form in ("html", "markdown"):
            source = path.read_text(encoding="utf-8")
            tree = render._environment(form).parse(source)
            used = set(meta.find_referenced_templates(tree))
            shared = path.name == "predictors_footer.j2"  # a macro that several reports import
            assert shared or {"page.j2", "macros.j2"} <= used, path
