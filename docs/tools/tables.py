"""Tables in Markdown, for pages that are filled by a script and for those that only the site has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table_lines(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines of a table; `None` and false become empty cells, true a tick."""
    yield _line(heads)
    yield _line(["---"] * len(heads))
    for row in rows:
        yield _line(["✓" if cell is True else str(cell or "").replace("|", "\\|") for cell in row])


def fold(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield lines that open when the title is clicked, in the repository and on the site."""
    yield f'<details markdown="1"><summary>{title}</summary>'
    yield ""
    yield from lines
    yield ""
    yield "</details>"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
