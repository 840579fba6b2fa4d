"""What a study's report is made of, and how it becomes an HTML page and GitHub's Markdown.

Both have the same words: blocks hold plain text, and only here it becomes markup.
"""

import pathlib
import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

from nasjax.reports import markup

WIDE = "main { max-width: 1240px; }"  # the tables have many columns
ORIGIN = "How the numbers were made"


class Table(NamedTuple):
    """The first column is set flush left, the others flush right, but for those in `words`."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[int] = ()


class Notes(NamedTuple):
    """Small print below a table."""

    texts: Sequence[str]


class Picture(NamedTuple):
    """A picture with its caption; `name` is its own, and begins its ids."""

    name: str
    file_name: str  # of the PNG, beside the Markdown
    alternative: str  # text in its place
    caption: str
    svg: Callable[[str], str]  # name -> an <svg> element
    png: Callable[[pathlib.Path], None]


class Folded(NamedTuple):
    """Blocks that a reader opens; in Markdown a section of its own."""

    head: str
    blocks: Sequence["Table | Notes | Picture"]


Block = Table | Notes | Picture | Folded


class Chapter(NamedTuple):
    """A titled part of the report."""

    head: str
    blocks: Sequence[Block]


def pictures(chapters: Sequence[Chapter]) -> Iterator[Picture]:
    """All pictures, in order."""
    for chapter in chapters:
        for block in chapter.blocks:
            inside = block.blocks if isinstance(block, Folded) else (block,)
            yield from (each for each in inside if isinstance(each, Picture))


# --- HTML ---------------------------------------------------------------------------------------


def html(
    title: str,
    tiles: Sequence[tuple[str, str]],
    chapters: Sequence[Chapter],
    study: dict[str, Any],
) -> str:
    """The whole page: no network, no scripts; pictures and style are inside."""
    facts = "".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b></div>'
        for name, value in tiles
    )
    parts = [f'<header><h1>{escape(title)}</h1>\n<div class="tiles">{facts}</div></header>']
    for chapter in chapters:
        parts.append(markup.section(chapter.head, "\n".join(map(_html, chapter.blocks))))
    origin = [[f"<code>{escape(k)}</code>", escape(v)] for k, v in markup.flatten(study)]
    parts.append(markup.section(ORIGIN, markup.table(("", ""), origin)))
    return markup.document(title, parts, css=WIDE)


def _html(block: Block) -> str:
    match block:
        case Table(heads, rows, words):
            cells = [[escape(cell) for cell in row] for row in rows]
            numbers = [i for i in range(1, len(heads)) if i not in words]
            return markup.table(heads, cells, numbers=numbers)
        case Notes(texts):
            return "\n".join(map(markup.caption, texts))
        case Picture():
            return f"{block.svg(block.name)}\n{markup.caption(block.caption)}"
        case Folded(head, blocks):
            inside = "\n".join(map(_html, blocks))
            return f"<details><summary>{escape(head)}</summary>\n{inside}\n</details>"


# --- Markdown -----------------------------------------------------------------------------------


def markdown(
    title: str,
    tiles: Sequence[tuple[str, str]],
    chapters: Sequence[Chapter],
    study: dict[str, Any],
) -> str:
    """The same words in GitHub's Markdown; pictures are files beside it."""
    parts = [f"# {_plain(title)}", ", ".join(f"{name}: {value}" for name, value in tiles)]
    for chapter in chapters:
        parts += [f"## {_plain(chapter.head)}", *map(_markdown, chapter.blocks)]
    origin = [f"- {_plain(k)}: {_plain(v)}" for k, v in markup.flatten(study)]
    parts += [f"## {ORIGIN}", "\n".join(origin)]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Table():
            return _markdown_table(block)
        case Notes(texts):
            return "\n".join(f"- {_plain(text)}" for text in texts)
        case Picture():
            image = f"![{_plain(block.alternative)}]({block.file_name})"
            return f"{image}\n\n{_plain(block.caption)}"
        case Folded(head, blocks):
            return "\n\n".join([f"### {_plain(head)}", *map(_markdown, blocks)])


def _plain(text: str) -> str:
    """Text as GitHub shows it literally, in one line: no markup, no HTML, no end of a cell."""
    escaped = re.sub(r"([\\`*\[\]<|~$&]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return " ".join(escaped.split())


def _markdown_table(table: Table) -> str:
    others = range(1, len(table.heads))
    rule = [":--", *(":--" if i in table.words else "--:" for i in others)]
    lines = [[_plain(cell) for cell in row] for row in (table.heads, *table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
