"""What a page holds, read with the standard library's parser; its tags must nest."""

import html.parser
import re
from xml.etree import ElementTree

VOID = {"meta", "br", "hr", "img", "input"}


class Elements(html.parser.HTMLParser):
    """Collects tags, ids and links of a page; fails where a tag is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [v or "" for k, v in attrs if k == "id"]
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def assert_self_contained(text: str) -> Elements:
    """The page is well formed, asks for nothing from elsewhere and runs no script."""
    elements = Elements(text)
    assert elements.open == []
    assert not {"script", "link"} & set(elements.tags)
    assert all(link.startswith(("#", "data:")) for link in elements.links)
    assert len(set(elements.ids)) == len(elements.ids)
    assert {link[1:] for link in elements.links if link[0] == "#"} <= set(elements.ids)
    assert not re.search(r"@import|url\((?!#)", text)
    for svg in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        ElementTree.fromstring(svg)
    return elements
