"""The player's page holds motions, and a browser draws them."""

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import lifting_off
from PIL import Image
from plain_contacts import foot_contacts

from selfcorrect.commands.correct.show import show
from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.load import load_motion
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.ground import Ground, GroundBox
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.pictures.figure import pose_figure
from selfcorrect.motion.pictures.player import PlayerPage
from selfcorrect.motion.pictures.tracks import FootTracks, draw_tracks
from selfcorrect.motion.support import Support
from selfcorrect.simulators.results.results import CorrectedMotion, Forces, GroundContacts
from selfcorrect.simulators.results.timeline import Timeline


@pytest.fixture
def motion() -> Motion:
    return lifting_off()


def scene(page: PlayerPage) -> dict[str, Any]:
    match = re.search(r'<script id="scene" type="application/json">(.*?)</script>', page.html, re.DOTALL)
    assert match
    return json.loads(match[1])


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.dtype(kind))


def points_m(shown: dict[str, Any]) -> np.ndarray:
    root_m = numbers(shown["root"], "<f4").reshape(-1, 1, 3)
    return root_m + shown["step"] * numbers(shown["points"], "<i2").reshape(len(root_m), -1, 3)


def test_page_is_self_contained(motion: Motion) -> None:
    far = replace(motion, root_m=motion.root_m + np.array([1000.0, 0.0, 0.0]))
    for motion_shown in (motion, far):
        page = show(motion_shown)
        (shown,) = scene(page)["motions"]
        np.testing.assert_allclose(points_m(shown), pose_figure(motion_shown)[1], atol=2e-4)
    assert not re.search(r"(src|href)\s*=|import\s*\(|fetch\(|https?://", page.html)
    assert len(page.html) < 200_000


def test_unchanged_motion_is_labelled(motion: Motion) -> None:
    moved = replace(motion, root_m=motion.root_m + np.array([0.0, 0.002, 0.0]))
    page = show(motion, replace(motion), moved, titles=["before", "after", "moved"])
    titles = [shown["title"] for shown in scene(page)["motions"]]
    assert titles == ["before", "after (unchanged)", "moved"]


def test_page_marks_errors_and_stances(motion: Motion) -> None:
    sunk = replace(motion, root_m=motion.root_m - [0.0, 0.05, 0.0])
    shown, below = scene(show(motion, sunk))["motions"]
    contacts = foot_contacts(motion)
    assert (numbers(shown["stands"], "u1") == contacts[:, 0] + 2 * contacts[:, 1]).mean() > 0.95
    errors = physical_errors(MotionBatch.stack([sunk]))
    assert numbers(below["depth"], "<f4").mean() == pytest.approx(errors.penetration_m[0], rel=1e-4)
    assert below["means"][1] == measure_slip(sunk).per_stance_m
    assert numbers(below["depth"], "<f4").max() > 0.04 > numbers(shown["depth"], "<f4").max()


def test_correction_shows_forces_and_supports(motion: Motion) -> None:
    count = len(motion)
    force = np.linspace(0, 1, count)
    timeline = Timeline(motion.fps, force, np.zeros(count), ("left foot",), np.zeros((count, 1)))
    step = Support("left foot", (0.1, 0.3, 0.2), (0.4, 0.5), 0, 10)
    corrected = CorrectedMotion(motion, forces=Forces(timeline=timeline), contacts=GroundContacts(supports=(step,)))
    before, after = scene(show(motion, corrected))["motions"]
    assert before["residual"] is None
    np.testing.assert_allclose(numbers(after["residual"], "<f4"), force, atol=1e-6)
    box = [[0.1, 0.15, 0.2], [0.2, 0.0, 0.0], [0.0, 0.15, 0.0], [0.0, 0.0, 0.25]]
    np.testing.assert_allclose(after["supports"], [box], atol=1e-12)


def test_page_shows_foot_tracks(motion: Motion) -> None:
    blank = replace(motion, skeleton=replace(motion.skeleton, parts=("",) * len(motion.skeleton)))
    tracks = [FootTracks.from_motion(motion, title) for title in ("first", "second")]
    drawn = draw_tracks([track for track in tracks if track], width_px=960, height_px=150)
    pictures = scene(show(motion, blank, motion, titles=["first", "blank", "second"]))["tracks"]
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))) for picture in pictures]
    np.testing.assert_array_equal(np.concatenate(shown, axis=1), drawn)


def test_camera_looks_above_ground(motion: Motion) -> None:
    stairs = Ground((GroundBox((0.0, 0.2, 0.0), (99.0, 0.4, 99.0)),))
    for ground, height_m in ((None, 0.0), (stairs, 0.4)):
        (shown,) = scene(show(replace(motion, ground=ground)))["motions"]
        np.testing.assert_allclose(numbers(shown["path"], "<f4").reshape(-1, 3)[:, 1], height_m, atol=1e-6)
        assert len(shown["supports"]) == bool(ground)


def test_fast_motion_is_thinned(motion: Motion) -> None:
    fast = replace(motion, fps=240.0)
    shown = scene(show(fast))
    assert shown["fps"] == 60.0
    assert shown["motions"][0]["frames"] == pytest.approx(len(motion) / 4, abs=1)


def test_titles_are_escaped(motion: Motion) -> None:
    evil = "</script><script>alert(1)</script>"
    page = show(motion, titles=[evil])
    assert evil not in page.html
    assert scene(page)["motions"][0]["title"] == evil


def test_partless_body_is_shown(motion: Motion) -> None:
    blank = replace(motion, skeleton=replace(motion.skeleton, parts=("",) * len(motion.skeleton)))
    (shown,) = scene(show(blank))["motions"]
    assert shown["depth"] is None
    assert not numbers(shown["stands"], "u1").any()


def test_notebooks_show_page(motion: Motion) -> None:
    assert "<iframe srcdoc=" in show(motion)._repr_html_()
    with pytest.raises(SettingError, match="nothing to show"):
        show()


def screenshot(page: Path, size: str, picture: Path) -> np.ndarray:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a browser: chromium")
    options = ["--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    options += ["--hide-scrollbars", f"--window-size={size}", "--virtual-time-budget=5000", f"--screenshot={picture}"]
    subprocess.run([browser, *options, f"{page.as_uri()}#frame=5"], check=True, capture_output=True, timeout=300)
    return np.asarray(Image.open(picture).convert("RGB")).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["900,600", "500,1400"])
def test_browser_draws_sunk_feet_red(motion: Motion, tmp_path: Path, size: str) -> None:
    sunk = replace(motion, root_m=motion.root_m - [0.0, 0.1, 0.0])
    (tmp_path / "page.html").write_text(show(sunk, motion, titles=["before", "after"]).html, encoding="utf-8")
    picture = screenshot(tmp_path / "page.html", size, tmp_path / "page.png")
    red, green, blue = np.moveaxis(picture, -1, 0)
    wide = picture.shape[1] > picture.shape[0]
    halves = np.array_split(picture, 2, axis=1) if wide else (picture[:440], picture[460:880])
    for half in halves:
        assert np.sum(half[..., 2] > half[..., 0] + 80) > 300  # the left side is blue
        assert np.sum((half[..., 0] > half[..., 2] + 120) & (half[..., 1] > 80)) > 300  # the right side is orange
    sunken = (red > green + 100) & (np.abs(green - blue) < 30)
    first = np.zeros_like(sunken)
    if wide:
        first[120:500, : picture.shape[1] // 2] = True
    else:
        first[120:440] = True
    assert np.sum(sunken & first) > 30


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("damage", ["", "cut"])
def test_dropped_file_is_read_alike(motion: Motion, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "clip.bvh"
    save_motion(path, motion)
    if damage:
        path.write_text(path.read_text().rsplit("\n", 3)[0])
    functions = show(motion).html.split("// --- a file that is dropped")[1].split("async function add")[0]
    content = f"require('fs').readFileSync('{path}', 'utf8')"
    script = f"//{functions}\nconsole.log(JSON.stringify(describeBvh(readBvh({content}), 'clip', 30)))"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=False)
    if damage:
        assert "not a whole BVH file" in done.stderr
        return
    shown = json.loads(done.stdout)
    read = resample(load_motion(path), 30.0)
    assert shown["frames"] == len(read)
    shown_m = points_m(shown).reshape(len(read), -1, 3)
    expected_m = joint_positions(read)
    assert shown_m.shape[1] == expected_m.shape[1]
    for joint_m in np.moveaxis(expected_m, 1, 0):  # the page keeps the order of the file
        assert np.abs(shown_m - joint_m[:, None]).max(axis=(0, 2)).min() < 2e-3
