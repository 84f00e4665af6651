"""The pages: the Python in them, the pictures that it makes, and links to files beside this folder."""

import contextlib
import doctest
import logging
import os
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PICTURES = "pictures"
# Pages of the site, and the file beside this folder that each of them shows.
SHOWN = {
    "start": "README.md",
    "examples": "examples/README.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)[^)\s]+(?=\))")


def blocks(text: str) -> list[tuple[int, str]]:
    """Line and text of each Python block of a page."""
    found = re.finditer(r"^```(?:python|pycon)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


def run(page: Path) -> str:
    """Run the examples of a page in the working folder; what they print otherwise than it says, or nothing."""
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=FLAGS), {}
    complaints: list[str] = []
    for line, text in blocks(page.read_text(encoding="utf-8")):
        if ">>> " in text:  # the blocks of a page go on where the one before stopped
            test = parser.get_doctest(text, names, page.name, str(page), line)
            runner.run(test, out=complaints.append, clear_globs=False)
            names = test.globs
    return "\n".join(complaints)


def pictures(text: str) -> set[str]:
    """Files that the examples of a page make and the page shows."""
    return set(re.findall(rf"\]\({PICTURES}/([^)\s]+)\)", text))


def draw(app: Any) -> None:
    """Run the pages that show pictures of their own, which leaves these in ``docs/pictures``."""
    from sphinx.errors import ExtensionError

    import keraunos

    logging.getLogger("keraunos.eras").setLevel("ERROR")  # the old post's notes are no news here
    folder = DOCS / PICTURES
    folder.mkdir(exist_ok=True)
    for page in sorted(DOCS.glob("*.md")):
        if pictures(page.read_text(encoding="utf-8")):
            keraunos.utils.clear_session()
            with contextlib.chdir(folder):
                complaints = run(page)
            if complaints:
                raise ExtensionError(complaints)


def prose(text: str) -> str:
    """A page without its code."""
    return re.sub(r"^```(?!\{).*?^```$|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)


def moved(target: str, here: str) -> str:
    """A link of a file in the folder ``here`` of the project, as one writes it in ``docs``, where pages show files."""
    path, mark, anchor = target.partition("#")
    shown = {os.path.normpath(file): f"docs/{page}.md" for page, file in SHOWN.items()}
    whole = os.path.normpath(os.path.join(here, path))
    return os.path.relpath(shown.get(whole, whole), "docs").replace(os.sep, "/") + mark + anchor


def fit_page(app: Any, name: str, content: list[str]) -> None:
    """Fit a page of this folder."""
    if "/" not in name:
        content[0] = fitted(content[0], "docs")


def fit_file(app: Any, path: Any, name: str, content: list[str]) -> None:
    """Fit a file beside this folder to the page that shows it."""
    content[0] = fitted(content[0], os.path.dirname(SHOWN[name]))


def fitted(text: str, here: str) -> str:
    """A text of the folder ``here`` for the site: links as its pages have them, no empty line at the end of code."""
    text = LINK.sub(lambda match: moved(match[0], here), text)
    return re.sub(r"\n\n```$", "\n```", text, flags=re.MULTILINE)


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("builder-inited", draw)
    app.connect("source-read", fit_page)
    app.connect("include-read", fit_file)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
