"""The code in README.md and docs/ runs as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from selfcorrect.experiments.toy.table import TOYS

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
REPOSITORY = Path(__file__).resolve().parents[1]
TEXTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
PAGES = [page for page in TEXTS if BLOCK.search(page.read_text())]


def test_there_is_code_to_run() -> None:
    assert {"README", "correct", "motion-data", "own-corrector"} <= {page.stem for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_blocks_of_a_page_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, str(page), "exec"), names)
    for name, value in list(names.items()):
        if name.startswith("test_") and callable(value):
            value()


def test_every_toy_loop_is_in_the_theory_gallery_with_what_it_showed() -> None:
    page = (REPOSITORY / "docs" / "concepts" / "theory.md").read_text()
    outcomes = json.loads((REPOSITORY / "docs" / "tools" / "toys.json").read_text())
    assert sorted(re.findall(r"\{\{ toy: ([\w-]+) \}\}", page)) == sorted(outcomes) == sorted(TOYS.names)
    pictures = [figure["file"] for toy in outcomes.values() for figure in toy["figures"]]
    assert all((REPOSITORY / "docs" / "pictures" / picture).is_file() for picture in pictures)
