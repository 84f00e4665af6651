"""The pages: every example in them runs and prints what it says, and every link leads somewhere."""

import ast
import doctest
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def blocks(page: Path) -> list[tuple[int, str]]:
    """Line and text of each Python block of a page."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(?:python|pycon)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


@EVERY_PAGE
def test_the_examples_of_a_page_print_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=FLAGS), {}
    complaints: list[str] = []
    for line, text in blocks(page):
        if ">>> " in text:  # the blocks of a page go on where the one before stopped
            test = parser.get_doctest(text, names, page.name, str(page), line)
            runner.run(test, out=complaints.append, clear_globs=False)
            names = test.globs
    assert not complaints, "\n".join(complaints)


@EVERY_PAGE
def test_the_other_python_of_a_page_is_python(page):
    for _, text in blocks(page):
        if ">>> " not in text:
            ast.parse(text)


@EVERY_PAGE
def test_the_links_of_a_page_lead_somewhere(page):
    pytest.importorskip("markdown")
    specification = importlib.util.spec_from_file_location("build_docs", ROOT / "docs" / "build.py")
    build = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(build)
    assert build.broken_links(page, page.read_text(encoding="utf-8")) == []
