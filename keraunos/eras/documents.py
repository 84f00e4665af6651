"""The Python code of scripts, notebooks and posts, as blocks that know where in the document they stand."""

import ast
import contextlib
import json
import re
import textwrap
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from keraunos.eras import magics
from keraunos.utils.errors import ArgumentError

SUFFIXES = {
    ".py": "script", ".ipynb": "notebook", ".md": "post", ".markdown": "post", ".txt": "post",
}  # fmt: skip
PYTHON_TAGS = {"", "python", "python2", "python3", "py", "py2", "py3", "ipython", "ipython2", "ipython3", "pycon"}


@dataclass(frozen=True)
class Block:
    """A piece of code, as it stands in a document but for its indentation and prompts.

    Attributes:
        source: The code, with IPython's magics.
        line: The line of the document where it begins, from 1; in a notebook, the line of its cell.
        kind: ``"script"``, ``"fenced"``, ``"indented"``, ``"prompt"`` (lines that began with ``>>>``) or ``"cell"``.
        file: Name under which tracebacks show it.
        indent: Columns by which it is indented in the document.
    """

    source: str
    line: int
    kind: str
    file: str = "<block>"
    indent: int = 0

    @property
    def last_line(self) -> int:
        """The line of the document where it ends."""
        return self.line + max(len(self.source.rstrip().splitlines()), 1) - 1

    @property
    def place(self) -> str:
        """``"lines 28-45"``, or the cell of a notebook, for messages."""
        if self.kind == "cell":
            return self.file.rpartition(", ")[2]
        return f"lines {self.line}-{self.last_line}" if self.last_line > self.line else f"line {self.line}"


class LeftOut(NamedTuple):
    """A block that is not code to run, and why."""

    block: Block
    reason: str


@dataclass(frozen=True)
class Document:
    """A file, and the code in it."""

    path: Path
    kind: str
    blocks: list[Block] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def read_document(path: str | Path) -> Document:
    """The blocks of code of a file, in order.

    A post's code stands in its fenced blocks (or between ``{% highlight %}`` tags) that say ``python`` or, saying
    nothing, are Python; in a post that has none of these, in the indented blocks that are Python. A text that is
    Python from end to end is one block.

    Args:
        path: A script ``.py``, a notebook ``.ipynb`` (nbformat 3 or 4), or a post ``.md``, ``.markdown`` or ``.txt``.

    Raises:
        ArgumentError: There is no such file, or it is of another kind, or damaged.
    """
    path = Path(path)
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ArgumentError(
            f"{path}: files ending in {path.suffix!r} are not known; expected {', '.join(SUFFIXES)}. Rename the file."
        )
    text = _text(path, kind)
    document = Document(path, kind)
    if kind == "script":
        document.blocks.append(Block(text, 1, "script", str(path)))
        return document
    found = _cells(path, text) if kind == "notebook" else _passages(str(path), text)
    for tag, block in found:
        block, reason = _judged(tag, block)
        if not reason:
            document.blocks.append(block)
        elif block.source.strip():
            document.left_out.append(LeftOut(block, reason))
    return document


def explained(error: SyntaxError) -> SyntaxError:
    """The error, with a remedy added where the code is Python 2.

    >>> try:
    ...     compile("print 'hello'", "post.md", "exec")
    ... except SyntaxError as error:
    ...     explained(error).__notes__
    ['post.md, line 1, is Python 2: print is a function since Python 3; write print(...).']
    """
    message = error.msg or ""
    for words, remedy in _PYTHON_2:
        if re.search(words, message) or re.search(words, (error.text or "").strip()):
            error.add_note(f"{error.filename}, line {error.lineno}, is Python 2: {remedy}.")
            break
    return error


# What Python says of a line of Python 2, or the line itself, and the remedy.
_PYTHON_2 = (
    ("call to 'print'|^print\\s+[^(=.\\s]", "print is a function since Python 3; write print(...)"),
    ("call to 'exec'", "exec is a function since Python 3; write exec(...)"),
    (
        "multiple exception types|^except\\s+[\\w.]+\\s*,",
        "an exception gets its name by 'as' since Python 3; write except SomeError as error:",
    ),
    ("leading zeros in decimal", "octal numbers begin with 0o since Python 3; write 0o777 for 0777"),
    ("^raise\\s+[\\w.]+\\s*,", "an error takes its message in brackets since Python 3; write raise SomeError(...)"),
    ("<>", "<> is gone since Python 3; write !="),
)


def is_python_2(error: SyntaxError) -> bool:
    """Whether a syntax error is one that Python 2 would not have raised."""
    return bool(getattr(explained(error), "__notes__", None))


# --- reading ----------------------------------------------------------------------------


def _text(path: Path, kind: str) -> str:
    try:
        if kind == "script":
            with tokenize.open(path) as file:  # heeds the line that names an encoding
                return file.read()
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ArgumentError(f"{path}: there is no such file.") from None
    except (UnicodeDecodeError, SyntaxError) as error:
        raise ArgumentError(f"{path}: not a text in UTF-8 ({error}). Save it in UTF-8.") from None
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be read ({error.strerror}).") from None


def _cells(path: Path, text: str) -> Iterator[tuple[str, Block]]:
    """Code cells of a notebook; Jupyter's format 3 keeps them in worksheets, format 4 does not."""
    try:
        notebook = json.loads(text)
        sheets = notebook.get("worksheets") or [notebook]
        cells = [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"]
        sources = [cell["source"] if "source" in cell else cell.get("input", "") for cell in cells]
        texts = [source if isinstance(source, str) else "".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(f"{path}: not a notebook that Jupyter wrote ({type(error).__name__}: {error}).") from None
    for number, (cell, source) in enumerate(zip(cells, texts, strict=True), 1):
        tag = str(cell.get("language", "python")).lower()
        yield tag, Block(source, 1, "cell", f"{path}, cell {number}")


_FENCE = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
_HIGHLIGHT = re.compile(r"\s*\{%-?\s*highlight\s+(?P<info>\S+).*%\}\s*$")
_END_HIGHLIGHT = re.compile(r"\s*\{%-?\s*endhighlight.*%\}\s*$")
_BULLET = re.compile(r"([-*+]|\d+[.)])\s")


def _passages(file: str, text: str) -> Iterator[tuple[str, Block]]:
    """Blocks of a post that may be code, and how each is tagged."""
    lines = text.splitlines()
    start = 0
    if lines and lines[0].strip() == "---":  # a head of YAML
        start = next((number for number, line in enumerate(lines[1:], 2) if line.strip() in ("---", "...")), 0)
    fenced, fences = list(_fenced(file, lines, start)), set[int]()
    for _, block in fenced:
        fences |= set(range(block.line - 1, block.last_line + 2))
    if any(not _judged(tag, block)[1] for tag, block in fenced):
        yield from fenced  # what is indented in such a post are outputs
        return
    whole = Block(text.rstrip(), 1, "script", file)
    if not _judged("", whole)[1]:
        yield "", whole  # a script under another name
        return
    indented = (("", block) for block in _indented(file, lines, start) if block.line not in fences)
    yield from sorted([*fenced, *indented], key=lambda item: item[1].line)


def _fenced(file: str, lines: Sequence[str], start: int) -> Iterator[tuple[str, Block]]:
    number = start
    while number < len(lines):
        fence, highlight = _FENCE.match(lines[number]), _HIGHLIGHT.match(lines[number])
        number += 1
        if not (fence or highlight):
            continue
        first = number
        while number < len(lines):
            line = lines[number].strip()
            mark = fence["fence"] if fence else ""
            if (mark and line.startswith(mark) and not line.strip(mark[0])) or (
                highlight and _END_HIGHLIGHT.match(lines[number])
            ):
                break
            number += 1
        indent = len(fence["indent"]) if fence else 0
        body = [line[indent:] if not line[:indent].strip() else line.lstrip() for line in lines[first:number]]
        info = (fence or highlight or {"info": ""})["info"]
        tag = re.match(r"[\s{.]*([\w+#-]*)", info)
        number += 1
        yield tag[1].lower() if tag else "", Block("\n".join(body), first + 1, "fenced", file, indent)


def _indented(file: str, lines: Sequence[str], start: int) -> Iterator[Block]:
    """Runs of lines that are indented by four columns or a tab, each after a blank line; items of lists are none."""

    def deep(line: str) -> bool:
        return line.startswith(("    ", "\t"))

    number = start
    while number < len(lines):
        first = number
        number += 1
        before = lines[first - 1].strip() if first > start else ""
        if not (deep(lines[first]) and lines[first].strip()) or (before and not before.startswith("#")):
            continue
        while number < len(lines) and (deep(lines[number]) or not lines[number].strip()):
            number += 1
        # One level is a tab or four columns, whichever a line has.
        body = textwrap.dedent("\n".join(re.sub("^(\t| {4})", "", line) for line in lines[first:number])).rstrip()
        if not _BULLET.match(body):
            indent = len(lines[first]) - len(lines[first].lstrip())
            yield Block(body, first + 1, "indented", file, indent)


# --- judging ----------------------------------------------------------------------------

_PROMPT = re.compile(r"\s*(>>>|In \[\s*\d*\]:)( |$)")
_GOES_ON = re.compile(r"\s*(>>>|\.\.\.+:?|In \[\s*\d*\]:)( |$)")
_SHELL = re.compile(r"\s*(\$ |#!|(sudo |pip3? |conda |apt(-get)? |git |cd |python3? \S|wget |curl |brew |docker ))")
# Calls that stand alone in what Python printed.
_PRINTED = set("array matrix tensor dict_keys dict_values dict_items OrderedDict defaultdict Index Series".split())


def _judged(tag: str, block: Block) -> tuple[Block, str]:
    """The block without prompts, and why it is no code to run, or nothing."""
    if tag not in PYTHON_TAGS:
        return block, f"tagged {tag}, not python"
    if not block.source.strip():
        return block, "empty"
    if _PROMPT.match(next(line for line in block.source.splitlines() if line.strip())):
        block = Block(_inputs(block.source), block.line, "prompt", block.file, block.indent)
    plain = magics.python_of(block.source)
    if plain.foreign:
        return block, plain.foreign
    sure = bool(tag) or block.kind == "prompt"
    try:
        tree = magics.parsed(plain.source)
    except (SyntaxError, ValueError) as error:
        if isinstance(error, SyntaxError) and is_python_2(error) and (sure or _prints(plain.source)):
            return block, ""  # to be told, with the remedy, by whoever compiles it
        if not sure and _SHELL.match(block.source):
            return block, "commands of the shell"
        if not sure:
            return block, "an output, or prose"
        line = block.line + (getattr(error, "lineno", None) or 1) - 1
        return block, f"no Python ({getattr(error, 'msg', error)}, line {line})"
    return block, "" if sure or any(map(_is_code, tree.body)) else "an output, or prose"


def _prints(source: str) -> bool:
    """Whether a text that may be prose is Python but for the brackets of ``print``."""
    with contextlib.suppress(SyntaxError, ValueError):
        return bool(magics.parsed(re.sub(r"(?m)^(\s*)print\s+([^(\n].*)$", r"\1print(\2)", source)).body)
    return False


def _inputs(source: str) -> str:
    """The lines behind prompts, each on its line; what was printed between them is blank."""
    lines, inside = [], False
    for line in source.splitlines():
        found = _PROMPT.match(line) or (inside and _GOES_ON.match(line))
        lines.append(line[found.end() :] if found else "")
        inside = bool(found)
    return "\n".join(lines)


def _is_code(statement: ast.stmt) -> bool:
    """Whether a statement is one that somebody wrote, rather than a value that was printed."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None
    if not isinstance(statement, ast.Expr):
        return not isinstance(statement, ast.Pass)
    call: Any = statement.value
    return isinstance(call, ast.Call) and not (isinstance(call.func, ast.Name) and call.func.id in _PRINTED)
