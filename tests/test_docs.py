"""The pages: every example in them runs and prints what it says, and every link leads somewhere."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

import keraunos

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "docs" / "extensions"))
pages = importlib.import_module("pages")

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


@EVERY_PAGE
def test_the_examples_of_a_page_print_what_it_says_and_make_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not pages.run(page)
    assert all((tmp_path / name).is_file() for name in pages.pictures(page.read_text(encoding="utf-8")))


@EVERY_PAGE
def test_the_other_python_of_a_page_is_python(page):
    for _, text in pages.blocks(page.read_text(encoding="utf-8")):
        if ">>> " not in text:
            ast.parse(text)


@pytest.mark.parametrize(
    "page", [*PAGES, *(ROOT / name for name in pages.SHOWN.values() if name != "README.md")], ids=lambda path: path.name
)
def test_the_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in pages.LINK.findall(pages.prose(text))}
    made = {f"{pages.PICTURES}/{name}" for name in pages.pictures(text)}
    assert [link for link in links - made if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "target, here, there",
    [
        ("docs/eras.md", ".", "eras.md"),
        ("examples/README.md", ".", "examples.md"),
        ("table.py", "examples", "../examples/table.py"),
        ("../README.md#install", "docs", "start.md#install"),
        ("models.md#freezing", "docs", "models.md#freezing"),
    ],
)
def test_links_to_files_beside_the_pages_lead_to_the_pages_that_show_them(target, here, there):
    assert pages.moved(target, here) == there


def test_every_page_stands_in_the_navigation_and_every_public_module_in_the_reference():
    home = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^(?:.* <)?([\w/-]+)>?$", home, re.MULTILINE))
    assert listed >= {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    shown = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md")]
    asked = set(re.findall(r"^```\{reference\} keraunos\.(\w+)$", "\n".join(shown), re.MULTILINE))
    assert asked >= set(keraunos._MODULES)


def test_the_reference_lists_each_public_object_once_and_no_old_name():
    pytest.importorskip("sphinx")
    reference = importlib.import_module("reference")
    public = reference.Public()
    entries = [entry for found in public.entries.values() for entry in found]
    assert len({id(entry.value) for entry in entries}) == len(entries) > 500
    paths = {entry.path for entry in entries}
    assert {"keraunos.layers.Dense", "keraunos.losses.huber", "keraunos.Variable"} <= paths
    assert not {"keraunos.layers.Merge", "keraunos.layers.MaxoutDense", "keraunos.losses.check_shapes"} & paths
    assert ("AvgPool2D", "keraunos.layers.AveragePooling2D") in public.others["keraunos.layers"]
    operations = reference.groups("keraunos.ops", public.entries["keraunos.ops"])
    assert "Functions" not in operations
    assert {"conv", "matmul"} <= {entry.name for entry in operations["Products, convolutions and pooling"]}
    assert {"compile", "fit", "predict"} <= set(
        reference.members(dict(entries)["keraunos.models.Model"], public.classes)
    )
