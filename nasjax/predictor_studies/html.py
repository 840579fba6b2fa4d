"""A report's Markdown as one self-contained HTML page, its pictures inside."""

import base64
import pathlib
import re
from collections.abc import Iterator
from html import escape

from nasjax.reports import markup

_CSS = "img { max-width: 100%; background: white; border-radius: 4px; }"


def page(title: str, report: str, directory: pathlib.Path) -> str:
    """The page of what `markdown` of the studies of predictors writes: headings, tables, lists,
    paragraphs, and pictures that lie in the directory.
    """
    parts = re.split(r"^(#{1,2}) (.+)$", report, flags=re.MULTILINE)
    sections = [
        f"<h1>{escape(heading)}</h1>\n" + content
        if level == "#"
        else markup.section(heading, content)
        for level, heading, content in (
            (parts[i], parts[i + 1], "\n".join(_blocks(parts[i + 2], directory)))
            for i in range(1, len(parts), 3)
        )
    ]
    return markup.document(title, sections, css=_CSS)


def _blocks(text: str, directory: pathlib.Path) -> Iterator[str]:
    for block in re.split(r"\n{2,}", text.strip("\n")):
        lines = block.splitlines()
        if not lines:
            continue
        if lines[0].startswith("|"):
            head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
            cells = ([escape(cell) for cell in row] for row in rows)
            yield markup.table(head, cells, numbers=range(1, len(head)))
        elif lines[0].startswith("!["):
            yield from (_picture(line, directory) for line in lines)
        elif lines[0].startswith("- "):
            items = "".join(f"<li>{escape(line[2:])}</li>" for line in lines)
            yield f"<ul>{items}</ul>"
        else:
            yield f"<p>{escape(' '.join(lines))}</p>"


def _picture(line: str, directory: pathlib.Path) -> str:
    """![text](name.png), read and put inside."""
    found = re.fullmatch(r"!\[(.*)\]\((.+)\)", line)
    if found is None or not (directory / found[2]).is_file():
        return f"<p>{escape(line)}</p>"
    data = base64.b64encode((directory / found[2]).read_bytes()).decode("ascii")
    text = escape(found[1], quote=True)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"></figure>'
