"""Tables in Markdown, for pages that are filled by a script and for those that only the site has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table_lines(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines of a table; `None` and false become empty cells, true a tick."""
    yield _line(heads)
    yield _line(["---"] * len(heads))
    for row in rows:
        yield _line(["✓" if cell is True else str(cell or "").replace("|", "\\|") for cell in row])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
