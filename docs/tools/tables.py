"""Write tables in Markdown, for pages and for parts that only the site has."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

SUMMARIES = Path(__file__).resolve().parents[1] / "results"


def make_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a table; `None` and false become empty cells, true a tick."""
    lines = [_line(heads), _line(["---"] * len(heads))]
    for row in rows:
        lines.append(_line(["✓" if cell is True else str(cell or "").replace("|", "\\|") for cell in row]))
    return "\n".join(lines)


def fill_marked(page: str, kind: str, parts: Mapping[str, str]) -> str:
    """Fill the parts of a page between each `<!-- KIND: NAME -->` and `<!-- end of KIND -->`."""
    marked = re.compile(rf"(<!-- {kind}: (\w+) -->\n).*?(<!-- end of {kind} -->)", re.DOTALL)
    return marked.sub(lambda match: f"{match[1]}\n{parts[match[2]]}\n\n{match[3]}", page)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
