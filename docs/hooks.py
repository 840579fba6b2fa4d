"""Makes pages of the READMEs, and lets one link work on the site and in the repository.

Texts link to files as the repository has them. On the site a link to a page goes to that page; a
link to any other file of the repository keeps its words only. A link to nothing is left as it is,
so that `mkdocs build --strict` refuses it.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "WORKSPACE.md": "map.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "tests/README.md": "tests.md",
    **{
        path.relative_to(ROOT).as_posix(): f"methods/{path.parent.name}.md"
        for path in sorted((ROOT / "nasjax").rglob("README.md"))
    },
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file of PAGES."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=with_links_of(page, source, text)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page that is a file in docs/."""
    uri = page.file.src_uri
    return markdown if uri in PAGES.values() else with_links_of(uri, f"docs/{uri}", markdown)


def with_links_of(page: str, source: str, text: str) -> str:
    """The text of the file `source` with its links as the page `page` needs them."""

    def rewritten(link: re.Match[str]) -> str:
        image, words, target, anchor = link.groups(default="")
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        place = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")
        if place:
            relative = posixpath.relpath(place, posixpath.dirname(page) or ".")
            return f"{image}[{words}]({relative}{anchor})"
        return words if (ROOT / path).exists() else link[0]

    return LINK.sub(rewritten, text)
