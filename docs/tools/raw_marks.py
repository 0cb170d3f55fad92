"""Find Markdown that a page shows as typed, for example table rows after a blank line."""

import re
from html.parser import HTMLParser

CODE = {"code", "pre", "script", "style", "math", "svg", "textarea"}
"""Elements whose text may hold any marks."""
RAW = re.compile(
    r"^\s*\|.*\|\s*$"  # a row of a table
    r"|^\s*(?:```|~~~|!!! |\?\?\? |#{1,6} )"  # a fence, an admonition, a heading
    r"|\*\*|\]\([^)\s]+\)|\]\[|<!--|-->|\$\$|@@"  # strong text, links, comments, formulas
    r"|\{ ?[.#:][\w-]+[^}]*\}",  # attributes
    re.MULTILINE,
)


class _Text(HTMLParser):
    """Collect the text of a page outside of code."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code += tag in CODE

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in CODE

    def handle_data(self, data: str) -> None:
        self.parts.append("¶" if self._code else data)


def find_raw_marks(html: str) -> list[str]:
    """Return the lines that show marks of Markdown, cut to 80 characters."""
    parser = _Text()
    parser.feed(html)
    return [line.strip()[:80] for line in "".join(parser.parts).splitlines() if RAW.search(line)]
