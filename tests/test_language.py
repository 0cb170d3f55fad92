"""Language of the code, as rates that may fall and must not rise: names, density, assignments, docstrings.

Each limit is a little above what is reached. When a rate has fallen, lower its limit. The words are those of
CONTRIBUTING.md and of the style that CONTRIBUTING.md describes.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("selfcorrect", "simulators", "datasets", "experiments")

LIMITS = {
    "names": 0.6,
    "words": 0.35,
    "density": 13.1,
    "several": 6.0,
    "unpacking": 9,
    "docstrings": 0.2,
}
"""Highest rate of each measure; `measure` explains them."""
LIMITS_OF_TESTS = {"names": 1.0, "words": 0.4, "density": 15.5, "several": 6.0, "unpacking": 4, "docstrings": 13.0}
"""The same for the code of the tests."""


def _split(words: str) -> frozenset[str]:
    return frozenset(words.split())


VAGUE = _split(
    "own each one told found made given known kept here other whole taken held left done wanted now again every"
)
"""Variables that say what happened to a value, or point at it, instead of naming it."""
IRREGULAR = _split(
    "told held kept given made found taken known left lost put shown drawn driven sunk felt said meant begun done "
    "gone borne laid led met spent stood understood written chosen seen thrown bent built cut shut sent slept "
    "spread swept wound"
)
FUNCTION_WORDS = _split(
    "of off on in at to from by with without along around among beside before after behind above below under over "
    "between through against together apart alone again once here there where when now then still only just so as "
    "whole own each other others every both all some one it its itself this that these those who whose what which "
    "how why else yes no not nothing nobody well far near anew upright away onward back up down out"
)
NO_PARTICIPLES = _split("seed speed feed need embed shed bed red hundred indeed weed breed bleed greed")
OPENERS = _split("What How Whether Where Which Who Of Why")
_SKIPPED = {
    tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip


def is_participle(word: str) -> bool:
    regular = len(word) > 4 and word.endswith("ed") and word not in NO_PARTICIPLES
    return regular or word in IRREGULAR


def lacks_a_verb(name: str) -> bool:
    """Return whether a name is only one or two participles, prepositions or pronouns."""
    words = [word for word in name.strip("_").lower().split("_") if word]
    return 1 <= len(words) <= 2 and all(word in FUNCTION_WORDS or is_participle(word) for word in words)


def find_docstrings(tree: ast.AST) -> set[ast.stmt]:
    """Return the statements that are only text: docstrings, and those below fields and constants."""
    docstrings = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                docstrings.add(statement)
    return docstrings


def count_tokens(source: str, docstrings: Iterable[ast.stmt]) -> int:
    lines = {line for text in docstrings for line in range(text.lineno, (text.end_lineno or text.lineno) + 1)}
    count = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_docstring = token.type == tokenize.STRING and token.start[0] in lines
        count += token.type not in _SKIPPED and not is_docstring
    return count


def count_functions(tree: ast.AST) -> Iterator[str]:
    """Yield a key for each count that a function adds to."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not node.name.startswith("__"):
            yield "functions"
            is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
            if lacks_a_verb(node.name) and not is_property:
                yield "nameless"


def count_all(source: str) -> Counter[str]:
    """Count what the measures of one file are made of."""
    tree = ast.parse(source)
    docstrings = find_docstrings(tree)
    counts = Counter(count_functions(tree))
    counts["tokens"] = count_tokens(source, docstrings)
    counts["docstrings"] = len(docstrings)
    for text in docstrings:
        first_word = text.value.value.strip().split(" ")[0].strip(",.:")  # type: ignore[attr-defined]
        counts["odd_openings"] += first_word in OPENERS
    for node in ast.walk(tree):
        counts["statements"] += isinstance(node, ast.stmt) and node not in docstrings
        if isinstance(node, ast.Name):
            counts["variables"] += 1
            counts["vague"] += node.id in VAGUE
        if isinstance(node, ast.Assign):
            has_several = any(isinstance(target, ast.Tuple | ast.List) for target in node.targets)
            counts["assignments"] += 1
            counts["several"] += has_several
            counts["unpacking"] += has_several and isinstance(node.value, ast.GeneratorExp)
    return counts


def measure(sources: Iterable[str]) -> dict[str, float]:
    """Return the measures of some files.

    names: functions named only by a participle, preposition or pronoun, percent. words: vague variables, percent of
    their uses. density: tokens per statement. several: assignments to several names, percent. unpacking: number of
    `a, b = (… for …)`. docstrings: those that open with What, How, Whether, …, percent.
    """
    counts: Counter[str] = Counter()
    for source in sources:
        counts += count_all(source)

    def percent(part: str, all_of: str) -> float:
        return 100 * counts[part] / max(counts[all_of], 1)

    return {
        "names": percent("nameless", "functions"),
        "words": percent("vague", "variables"),
        "density": counts["tokens"] / max(counts["statements"], 1),
        "several": percent("several", "assignments"),
        "unpacking": counts["unpacking"],
        "docstrings": percent("odd_openings", "docstrings"),
    }


PLAIN = '''
def select_rows(table, mask, limit):
    """Return rows.

    Args:
        table: (N, D).
        mask: (N,).
        limit: Most rows.
    """
    rows = table[mask]
    return rows[:limit]
'''
COMPRESSED = '''
def told(table, mask, limit):
    """What becomes of rows."""
    own, kept = (table[each] for each in (mask, ~mask))
    return own[:limit]
'''


def test_the_measures_tell_plain_code_from_compressed_code() -> None:
    plain = measure([PLAIN])
    compressed = measure([COMPRESSED])
    assert (plain["names"], plain["words"], plain["several"], plain["unpacking"], plain["docstrings"]) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert (compressed["names"], compressed["unpacking"], compressed["docstrings"]) == (100, 1, 100)
    assert compressed["words"] > 30
    assert compressed["density"] > plain["density"] > 5


@pytest.mark.slow
@pytest.mark.parametrize(("folders", "limits"), [(PACKAGES, LIMITS), (("tests",), LIMITS_OF_TESTS)])
def test_the_code_reads_no_worse_than_before(folders: tuple[str, ...], limits: dict[str, float]) -> None:
    places = [REPOSITORY / folder for folder in folders]
    if not all(place.is_dir() for place in places):
        pytest.skip("needs a checkout")
    rates = measure(path.read_text(encoding="utf-8") for place in places for path in sorted(place.rglob("*.py")))
    above = {name: round(rates[name], 2) for name, limit in limits.items() if rates[name] > limit}
    assert not above, f"above the limits {limits}; say it plainer, or name it as CONTRIBUTING.md does"
