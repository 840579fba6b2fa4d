"""Renders a report from plain data and a template, as HTML and as Markdown.

A report is one Jinja2 template, `templates/NAME.j2`. It says what the report says, and draws its
tables, notes and pictures with the macros of `macros.j2`. That file exists twice, in
`templates/html` and in `templates/markdown`, so one template gives both documents. Values are
escaped by either document's rules; only the text of a template is taken as it is.
"""

import functools
import math
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nasjax import files
from nasjax.reports import figures
from nasjax.reports.figures import PAGE, PAPER, Inks

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

TEMPLATES = pathlib.Path(__file__).parent / "templates"
HTML, MARKDOWN = "report.html", "report.md"


class Picture(NamedTuple):
    """A picture of a report."""

    name: str  # unique in the report; ids in the SVG begin with it
    file_name: str  # of the PNG, relative to the report's directory
    alternative: str  # the text in the picture's place
    draw: Callable[[Inks], "Figure"]  # (colours) -> a matplotlib figure

    def svg(self) -> str:
        """An <svg> element in the colours of the page."""
        with figures.style(PAGE):
            return figures.to_svg(self.draw(PAGE), self.name)

    def write_png(self, directory: pathlib.Path) -> pathlib.Path:
        """Draws the picture on white, for Markdown; returns the file."""
        with figures.style(PAPER):
            figure = self.draw(PAPER)
            figure.set_facecolor("white")
            return files.write(
                directory / self.file_name,
                lambda file: figure.savefig(file, format="png", dpi=200),
            )


def write(
    directory: pathlib.Path,
    template: str,
    context: Mapping[str, Any],
    pictures: Sequence[Picture] = (),
) -> list[pathlib.Path]:
    """Writes report.html, report.md and the pictures beside it; returns the files.

    Args:
      template: its name without the suffix, e.g. "study".
      context: the values that the template reads; `title` is the report's.
      pictures: those that the template shows.
    """
    written = [
        files.write_text(directory / name, render(template, context))
        for name, render in ((HTML, html), (MARKDOWN, markdown))
    ]
    return [*written, *(picture.write_png(directory) for picture in pictures)]


def html(template: str, context: Mapping[str, Any]) -> str:
    """One self-contained page: no network, no scripts; style and pictures are inside."""
    return _environment("html").get_template(f"{template}.j2").render(context)


def markdown(template: str, context: Mapping[str, Any]) -> str:
    """The same words in GitHub's Markdown; pictures are files beside it."""
    text = _environment("markdown").get_template(f"{template}.j2").render(context)
    lines = (line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"


@functools.cache
def _environment(form: str) -> "Environment":
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([TEMPLATES / form, TEMPLATES]),
        autoescape=True,  # in Markdown too: so that macros' results are not escaped again
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=None if form == "html" else _escape_markdown,
    )
    made.filters |= {
        "count": count,
        "flatten": flatten,
        "number": number,
        "one_line": one_line,
        "percent": percent,
    }
    made.tests["finite"] = lambda value: value is not None and math.isfinite(value)
    return made


def _escape_markdown(value: Any) -> Any:
    """Text as GitHub shows it literally, in one line: no markup, no HTML, no end of a cell."""
    from markupsafe import Markup

    if isinstance(value, Markup) or not isinstance(value, str | int | float | pathlib.Path):
        return value
    escaped = re.sub(r"([\\`*\[\]<|~$&]|(?<!\w)_|_(?!\w))", r"\\\1", str(value))
    return Markup(re.sub(r"\s*\n\s*", " ", escaped))


def one_line(text: str) -> str:
    """The text without line breaks and repeated spaces; markup stays markup."""
    return type(text)(" ".join(text.split()))


# --- filters ------------------------------------------------------------------------------------


def percent(value: Any, digits: int = 2) -> str:
    """0.9727 -> "97.27 %"; a dash for what is not a finite number."""
    known = isinstance(value, int | float) and math.isfinite(value)
    return f"{100 * value:.{digits}f} %" if known else "–"


def number(value: float | None, form: str = ".2f", unit: str = "") -> str:
    """A formatted number; a dash for None and NaN, the sign of infinity for infinity."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:{form}}{unit}" if math.isfinite(value) else "∞"


def count(value: float) -> str:
    """12345.6 -> "12,346"."""
    return f"{value:,.0f}"


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as ("section.key", text) pairs."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
