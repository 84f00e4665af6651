"""Renders the Markdown pages of this folder, the README and the CHANGELOG to plain HTML: ``build.py FOLDER``."""

import html
import posixpath
import re
import sys
from pathlib import Path

import markdown

DOCS = Path(__file__).parent
ROOT = DOCS.parent
STYLE = """
body { font: 17px/1.55 system-ui, sans-serif; color: #1b1b1f; max-width: 46em; margin: 2em auto; padding: 0 1em }
nav { font-size: 15px; border-bottom: 1px solid #ccd; padding-bottom: .6em; margin-bottom: 1.5em }
nav a { margin-right: 1em; white-space: nowrap }
a { color: #2546a8; text-decoration: none }
a:hover { text-decoration: underline }
code, pre { font: 14px/1.45 ui-monospace, monospace; background: #f3f3f7; border-radius: 4px }
code { padding: .1em .3em }
pre { padding: .8em 1em; overflow-x: auto }
pre code { padding: 0; background: none }
table { border-collapse: collapse; margin: 1em 0 }
td, th { border: 1px solid #ccd; padding: .3em .7em; text-align: left; vertical-align: top }
img { max-width: 100% }
@media (prefers-color-scheme: dark) {
  body { background: #16161a; color: #e6e6ea }
  a { color: #9db4ff }
  code, pre { background: #24242b }
}
"""


def pages() -> dict[str, Path]:
    """The name of each page in the output, and the file it is made from; the README is the first, `index.md` the start."""
    found = {"readme.html": ROOT / "README.md"}
    found |= {f"{path.stem}.html": path for path in sorted(DOCS.glob("*.md"))}
    return found | {"changelog.html": ROOT / "CHANGELOG.md", "contributing.html": ROOT / "CONTRIBUTING.md"}


def title(text: str, otherwise: str) -> str:
    """The first heading of a page."""
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    return heading[1].strip() if heading else otherwise


def broken_links(source: Path, text: str) -> list[str]:
    """Relative links of a page that lead to no file."""
    links = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    inner = [link for link in links if not re.match(r"[a-z]+:", link)]
    return [link for link in inner if not (source.parent / link).exists()]


def render(source: Path, text: str, names: dict[Path, str], navigation: str) -> str:
    """A whole HTML page; links to other pages lead to what they are rendered as."""

    def rewritten(match: re.Match[str]) -> str:
        target = (source.parent / match[1]).resolve()
        return f'href="{names[target]}' if target in names else match[0]

    body = markdown.markdown(text, extensions=["fenced_code", "tables", "toc", "sane_lists"])
    body = re.sub(r'href="([^":#]+)', rewritten, body)
    heading = html.escape(title(text, source.stem))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{heading}</title><style>{STYLE}</style><nav>{navigation}</nav>{body}</html>\n"
    )


def build(folder: Path) -> int:
    """Write all pages; the number of broken links is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name: path.read_text(encoding="utf-8") for name, path in pages().items()}
    names = {path.resolve(): name for name, path in pages().items()}
    navigation = "".join(
        f'<a href="{name}">{html.escape(title(text, posixpath.splitext(name)[0]))}</a>' for name, text in texts.items()
    )
    broken = 0
    for name, source in pages().items():
        for link in broken_links(source, texts[name]):
            broken += 1
            print(f"{source.relative_to(ROOT)}: the link {link!r} leads nowhere", file=sys.stderr)
        (folder / name).write_text(render(source, texts[name], names, navigation), encoding="utf-8")
    for picture in DOCS.glob("*.[ps][nv]g"):
        (folder / picture.name).write_bytes(picture.read_bytes())
    print(f"{len(texts)} pages in {folder}")
    return broken


if __name__ == "__main__":
    sys.exit(bool(build(Path(sys.argv[1]))))
