"""The demonstration improves a spoiled walk, as its figures and page show."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tyro
from helpers import Says

from selfcorrect.commands import demo as command
from selfcorrect.commands.correct.demonstration import spoil, walk
from selfcorrect.commands.demo import DemoCommand
from selfcorrect.motion.measures.physical import SHOWN_ERRORS, physical_errors
from selfcorrect.motion.motion import MotionBatch


def test_walk_is_clearly_spoiled() -> None:
    good = walk()
    bad = spoil(good, np.random.default_rng(0))
    before = physical_errors(MotionBatch.stack([good])).mean()
    after = physical_errors(MotionBatch.stack([bad])).mean()
    assert after["penetration_m"] > before["penetration_m"] + 0.04
    assert after["skate_m_s"] > before["skate_m_s"] + 0.3
    assert after["jerk_m_s3"] > 5 * before["jerk_m_s3"]


@pytest.mark.slow
def test_runs_without_pytorch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from selfcorrect.commands.cli import main\n"
        f"code = main(['demo', '--no-open', '--out', {str(tmp_path / 'walk.html')!r}])\n"
        "assert 'torch' not in sys.modules, 'PyTorch was imported'\n"
        "sys.exit(code)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert process.returncode == 0, process.stderr
    lines = [line for line in process.stdout.splitlines() if "→" in line]
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert all(f"    {line}\n" in readme for line in lines), "README has the figures of an earlier version"
    assert [line.split()[0] for line in lines] == [figure.title for figure in SHOWN_ERRORS]
    figures = {line.split()[0]: (float(line.split()[1]), float(line.split()[3])) for line in lines}
    for name in ("penetration", "slip", "jerk"):
        before, after = figures[name]
        assert after < before / 3
    assert figures["floating"][1] < 10
    page = (tmp_path / "walk.html").read_text(encoding="utf-8")
    assert page.count('"title":') == 2
    shown_mm = [1000 * float(depth_m) for depth_m in re.findall(r'"means": \[([^,]+),', page)]
    assert np.allclose(shown_mm, figures["penetration"], atol=0.5), "console and page measure alike"
    assert '"residual": "' in page


@pytest.mark.parametrize(("display", "terminal", "opened"), [("", True, 0), (":0", False, 0), (":0", True, 1)])
def test_browser_opens_on_screens_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: str, terminal: bool, opened: int
) -> None:
    pages = []
    monkeypatch.setattr("webbrowser.open", pages.append)
    monkeypatch.setattr(command.sys, "platform", "linux")
    monkeypatch.setattr(command.sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    tyro.cli(DemoCommand, args=["--out", str(tmp_path / "demo.html")]).run()
    assert len(pages) == opened
    tyro.cli(DemoCommand, args=["--no-open", "--out", str(tmp_path / "demo.html")]).run()
    assert len(pages) == opened


@pytest.mark.parametrize(("name", "reason"), [("notes.txt", ".html"), ("page.html", "exists")])
def test_foreign_page_is_kept(tmp_path: Path, name: str, reason: str, says: Says) -> None:
    page = tmp_path / name
    page.write_text("<!doctype html><title>mine</title>", encoding="utf-8")
    assert reason in says("demo --no-open --out", page, code=2)
    assert page.read_text(encoding="utf-8") == "<!doctype html><title>mine</title>"
    if page.suffix == ".html":
        says("demo --no-open --overwrite --out", page)
        says("demo --no-open --out", page)
