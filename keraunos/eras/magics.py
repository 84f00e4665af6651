"""IPython's own syntax (``%matplotlib inline``, ``%%time``, ``!pip``, ``name?``) turned into Python, line for line."""

import ast
import contextlib
import io
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

# What becomes of a magic: "time" and "timeit" run the rest of the line (or cell) and print how long it took, "run"
# runs it, "capture" keeps what it prints, "pylab" imports what it is known for, "foreign" is a cell of another
# language, "drop" is left out. The second entry is what is said of it. A magic that stands in no row is left out
# too, and the rest of its cell runs.
MAGICS = {
    "time": ("time", ""),
    "timeit": ("timeit", "runs once"),
    "capture": ("capture", ""),
    "prun": ("run", "runs without a profile"),
    "memit": ("run", "runs without a measurement of memory"),
    "mprun": ("run", "runs without a measurement of memory"),
    "matplotlib": ("drop", ""),
    "pylab": ("pylab", ""),
    **dict.fromkeys("config load_ext reload_ext autoreload precision pdb xmode doctest_mode".split(), ("drop", "")),
    **dict.fromkeys(
        "bash sh script system sx cmd pip conda ls cd mkdir rm cp mv cat env set_env".split(),
        ("foreign", "is a command of the shell, which is never run here"),
    ),
    **dict.fromkeys(
        "html HTML javascript js latex markdown svg SVG perl ruby R cython python2 pypy sql writefile file".split(),
        ("foreign", "holds no Python to run"),
    ),
}
TIMED = "__timed__"  # what the translation calls a context manager that times what it holds

_COMPOUND = ("for", "while", "if", "with", "def", "class", "try", "async", "@")
_MAGIC = re.compile(r"(?P<indent>\s*)(?P<target>[\w.,\s]+?=\s*)?(?P<mark>%%?|!!?)(?P<rest>.*)", re.DOTALL)
_HELP = re.compile(r"\s*(\?{1,2}\s*[\w.*%]+|%{0,2}[\w.*]+\?{1,2})\s*(#.*)?$")
_STRINGS = re.compile(
    r"""[rbfuRBFU]{0,2}(?:\"{3}(?:\\.|[^\\])*?(?:\"{3}|\Z)|'{3}(?:\\.|[^\\])*?(?:'{3}|\Z)|"(?:\\.|[^"\\\n])*"?"""
    r"""|'(?:\\.|[^'\\\n])*'?)|\#[^\n]*|[()\[\]{}]|\\\n""",
    re.DOTALL,
)


class Plain(NamedTuple):
    """A cell in Python.

    Attributes:
        source: The cell; every statement stands on the line where it stood.
        remarks: Pairs of a line, counted from 0, and what is to be said of it.
        timed: ``"time"`` or ``"timeit"`` for a cell that begins with that magic.
        captured: Name for what the cell prints, for ``%%capture name``; ``""`` where it is thrown away.
        foreign: Why the whole cell is no Python.
    """

    source: str
    remarks: tuple[tuple[int, str], ...] = ()
    timed: str | None = None
    captured: str | None = None
    foreign: str | None = None


def python_of(source: str) -> Plain:
    """What IPython would run for a cell, with its magics replaced by Python of as many lines.

    Args:
        source: A cell, or a block of a post. Shell commands in it are never executed.

    >>> python_of("%matplotlib inline\\nx = 1").source
    'pass  # %matplotlib inline\\nx = 1'
    """
    with contextlib.suppress(SyntaxError, ValueError):
        parsed(source)
        return Plain(source)
    lines = source.splitlines()
    remarks: list[tuple[int, str]] = []
    timed = captured = None
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    while first < len(lines) and lines[first].startswith("%%"):
        name, _, arguments = lines[first][2:].partition(" ")
        what, remark = MAGICS.get(name, ("drop", "is not known, and left out"))
        if what == "foreign":
            return Plain(source, ((first, f"%%{name} {remark}"),), foreign=f"%%{name} {remark}")
        timed = what if what in ("time", "timeit") else timed
        captured = arguments.split("-")[0].strip() if what == "capture" else captured
        if remark:
            remarks.append((first, f"%%{name} {remark}"))
        lines[first] = f"# {lines[first]}"
        first += 1
    number = first
    while number < len(lines):
        special = _HELP.match(lines[number]) or _MAGIC.match(lines[number])
        # A percent sign that begins a line inside brackets or a string is no magic.
        if special and not _is_open("\n".join(lines[:number]) + "\n"):
            end = number
            while lines[end].endswith("\\") and end + 1 < len(lines):
                end += 1
            whole = " ".join(line.rstrip("\\") for line in lines[number : end + 1])
            said: list[str] = []
            if (replaced := _line(whole, said.append)) is not None:
                lines[number : end + 1] = [replaced, *("#" for _ in range(end - number))]
            remarks += [(number, text) for text in said]
        number += 1
    return Plain("\n".join(lines), tuple(remarks), timed, captured)


def parsed(source: str) -> ast.Module:
    """The syntax tree of a text that is only looked at, so that warnings wait until it runs.

    Raises:
        SyntaxError: The text is not Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _line(line: str, remark: Callable[[str], None]) -> str | None:
    """A line in Python, or ``None`` where it is no magic."""
    if _HELP.match(line):
        return f"{line[: len(line) - len(line.lstrip())]}pass  # {line.strip()}"
    found = _MAGIC.match(line)
    if not found:
        return None
    indent, target, rest = found["indent"], found["target"] or "", found["rest"].strip()
    shown = " ".join(line.split())
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    if found["mark"].startswith("!"):
        remark(f"{shown} is a command of the shell, which is never run here")
        return f"{indent}{target}[]  # {shown}" if target else f"{indent}pass  # {shown}"
    name, _, arguments = rest.partition(" ")
    what, said = MAGICS.get(name, ("drop", "is not known, and left out"))
    if said:
        remark(f"%{name} {said}")
    if what == "pylab":
        return f"{indent}from pylab import *; import numpy as np; import matplotlib.pyplot as plt"
    statement = re.sub(r"^(-\w+(\s*\d+)?\s+)+", "", arguments).strip() if what in ("timeit", "run") else arguments
    if what in ("time", "timeit", "run") and statement:
        timed = what != "run" and not statement.startswith(_COMPOUND)
        return f"{indent}{f'with {TIMED}({what!r}): ' if timed else ''}{target}{statement}"
    return f"{indent}{target}None  # {shown}" if target else f"{indent}pass  # {shown}"


def _is_open(text: str) -> bool:
    """Whether a text ends inside brackets, a long string, or a line that goes on."""
    depth, end = 0, 0
    for found in _STRINGS.finditer(text):
        piece = found[0]
        depth += (piece in "([{") - (piece in ")]}")
        quote = next((q for q in ('"""', "'''") if piece.lstrip("rbfuRBFU").startswith(q)), None)
        if quote and not (len(piece.lstrip("rbfuRBFU")) >= 6 and piece.endswith(quote)):
            return True
        end = found.end() if piece == "\\\n" else end
    return depth > 0 or (end == len(text) > 0)


# --- what the translation calls ---------------------------------------------------------


@contextlib.contextmanager
def timed(what: str = "time") -> Iterator[None]:
    """Print how long the block took, in IPython's words; nothing where it raised.

    Args:
        what: ``"time"`` for the two lines of ``%time``, ``"timeit"`` for one run of ``%timeit``.
    """
    before, start = os.times(), time.perf_counter()
    yield
    wall, after = time.perf_counter() - start, os.times()
    if what == "timeit":
        print(f"{duration(wall)} per loop (1 run, 1 loop)")
        return
    user, system = after.user - before.user, after.system - before.system
    print(f"CPU times: user {duration(user)}, sys: {duration(system)}, total: {duration(user + system)}")
    print(f"Wall time: {duration(wall)}")


def duration(seconds: float) -> str:
    """A length of time as IPython writes it, with three digits.

    >>> duration(3.2567), duration(0.04), duration(75), duration(0)
    ('3.26 s', '40 ms', '1min 15s', '0 ns')
    """
    if seconds >= 60:
        rest, words = int(seconds), []
        for length, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
            count, rest = divmod(rest, length)
            words += [f"{count}{unit}"] if count else []
        return " ".join(words)
    seconds = float(f"{seconds:.3g}")  # so that .9999 s is 1 s, not 1e+03 ms
    for size, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return "0 ns"


class Captured:
    """What a cell printed under ``%%capture name``: ``stdout``, ``stderr``, and ``show()`` to print it again."""

    def __init__(self) -> None:
        self._out, self._error = io.StringIO(), io.StringIO()

    @property
    def stdout(self) -> str:
        """What went to standard output."""
        return self._out.getvalue()

    @property
    def stderr(self) -> str:
        """What went to standard error."""
        return self._error.getvalue()

    def __str__(self) -> str:
        return self.stdout

    def show(self) -> None:
        """Print it now."""
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)

    def __call__(self) -> None:
        self.show()

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        """Keep what the block prints."""
        with contextlib.redirect_stdout(self._out), contextlib.redirect_stderr(self._error):
            yield


class Shell:
    """What ``get_ipython()`` returns: magics asked for by call, as in notebooks exported to scripts, do nothing."""

    def __init__(self, remark: Callable[[str], None]) -> None:
        self._remark = remark

    def run_line_magic(self, name: str, line: str = "", *_: Any) -> None:
        """Leave a magic out, and say so where it would have done something."""
        self._leave_out(f"%{name} {line}")

    def magic(self, line: str) -> None:
        """Leave a magic out."""
        self._leave_out(f"%{line}")

    def run_cell_magic(self, name: str, line: str, cell: str) -> None:
        """Leave a whole cell out."""
        self._remark(f"%%{name} {line}".strip() + " is left out, with its cell")

    def system(self, command: str) -> None:
        """Never run a command of the shell."""
        self._leave_out(f"!{command}")

    getoutput = system

    def _leave_out(self, line: str) -> None:
        _line(line.strip(), self._remark)
