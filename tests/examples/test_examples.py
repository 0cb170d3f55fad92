"""The examples run as they stand, from any folder."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "several_gpus"])
def test_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = EXAMPLES / f"{name}.py"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.syspath_prepend(str(script.parent))
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out


def test_pages_name_each_example() -> None:
    root = EXAMPLES.parent
    pages = "".join(
        path.read_text(encoding="utf-8") for path in (root / "README.md", *root.joinpath("docs").rglob("*.md"))
    )
    files = [path.name for path in EXAMPLES.glob("*.*")]
    assert [name for name in files if name not in pages] == []
