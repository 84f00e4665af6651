"""Small tables of text, for terminals and for notebooks."""

import html
from collections.abc import Sequence

# Rows that are shown at each end of a longer table.
_ENDS = 5


def text_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, aligned to the right; of many rows the first and the last.

    >>> print(text_table(["epoch", "loss"], [["1", "0.5"], ["2", "0.25"]]))
    epoch  loss
        1   0.5
        2  0.25
    """
    lines = [list(names), *_ends(rows, len(names))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def html_table(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as HTML, with what it is of above.

    >>> html_table("one < two", ["loss"], [["0.5"]])
    '<table><caption>one &lt; two</caption><tr><th>loss</th></tr><tr><td>0.5</td></tr></table>'
    """
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in _ends(rows, len(names))
    )
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def _ends(rows: Sequence[Sequence[str]], columns: int) -> list[Sequence[str]]:
    if len(rows) <= 2 * _ENDS + 1:
        return list(rows)
    return [*rows[:_ENDS], ["…"] * columns, *rows[-_ENDS:]]
