"""Pieces of a self-contained HTML page, shared by all reports."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from nasjax.reports import style


def document(title: str, parts: Iterable[str], *, css: str = "") -> str:
    """The whole page from parts that are HTML already: no network, no scripts; style is inside."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style.CSS}{css}</style>\n</head>\n"
        "<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, content: str) -> str:
    """A titled card; nothing where there is no content."""
    return f"<section><h2>{escape(title)}</h2>\n{content}\n</section>" if content else ""


def caption(text: str) -> str:
    """Small print, from plain text."""
    return f'<p class="caption">{escape(text)}</p>'


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()
) -> str:
    """Cells are HTML already; the columns in `numbers` are set flush right."""
    side = ['class="n"' if i in numbers else "" for i in range(len(heads))]
    top = "".join(f"<th {s}>{escape(h)}</th>" for h, s in zip(heads, side, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td {s}>{c}</td>" for c, s in zip(row, side, strict=True)) + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def percent(value: Any) -> str:
    """0.9727 -> "97.27 %"; a dash for what is not a number."""
    known = isinstance(value, (int, float)) and math.isfinite(value)
    return f"{100 * value:.2f} %" if known else "–"


def flatten(values: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Nested settings as ("section.key", text) pairs."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
