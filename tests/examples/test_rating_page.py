"""The page in a real browser: every key and button, light and dark, and the choices that it saves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import Page, browser_page
from helpers import lifting_off
from PIL import Image
from rating_page import Item, collect_items, make_rating_page, plan_pairs

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.experiments.curation.choices import Ratings, read_ratings
from selfcorrect.experiments.curation.features import MOTION_FEATURES

PLAYED = "find('player').contentDocument?.querySelector('#time')?.textContent"
SHOWN = "pair && find('player').dataset.shows === `${pair[0]} ${pair[1]}`"
CATCH = "URL.createObjectURL = (blob) => { blob.text().then((text) => { window.savedText = text; }); return '#'; }"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six motions: one body, lower and lower in the floor."""
    folder = tmp_path_factory.mktemp("clips")
    motion = lifting_off()
    for number in range(6):
        sunk = replace(motion, root_m=motion.root_m - [0.0, 0.04 * number, 0.0])
        save_motion(folder / f"sunk-{4 * number:02d}-cm.bvh", sunk)
    return folder


@pytest.fixture(scope="module")
def items(clips: Path) -> list[Item]:
    return collect_items([clips])


def test_motions_of_files_have_ids_by_content_and_features_by_name(
    clips: Path, items: list[Item], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [item.rated.name for item in items] == [f"sunk-{depth:02d}-cm" for depth in (0, 4, 8, 12, 16, 20)]
    assert len({item.rated.id for item in items}) == 6
    sunk = [item.rated.features[MOTION_FEATURES.index("penetration_m")] for item in items]
    assert sunk == sorted(sunk)
    np.testing.assert_allclose(np.exp(sunk[-1]), 0.15 + 1e-3, atol=0.05)  # of 20 cm, in the three quarters that stand
    (tmp_path / "bad.bvh").write_text("HIERARCHY")
    again = collect_items([tmp_path / "bad.bvh", clips])
    assert [item.rated.id for item in again] == [item.rated.id for item in items]
    assert "bad.bvh, line 1: " in capsys.readouterr().err


def test_files_of_the_same_motion_are_one_sample(clips: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.bvh"
    copy.write_bytes((clips / "sunk-00-cm.bvh").read_bytes())
    with pytest.raises(InputError, match="two different samples with the same label are needed"):
        collect_items([clips / "sunk-00-cm.bvh", copy])


LABELS = {f"{label}{number}": label for label in ("walk", "run") for number in range(6)}


def plan(rater: str, count: int = 24, seed: int = 0) -> list[tuple[str, str, bool]]:
    return plan_pairs(LABELS, count, rater, streams(seed))


def test_pairs_lie_within_labels_and_all_raters_see_common_pairs_first() -> None:
    everything = plan("ada", count=100)
    assert all(LABELS[left] == LABELS[right] for left, right, _ in everything)
    assert len({frozenset(pair[:2]) for pair in everything}) == len(everything) == 2 * 15
    ada = plan("ada")
    bob = plan("bob")
    assert ada == plan("ada") != plan("ada", seed=1)
    assert [pair[2] for pair in ada] == [True] * 10 + [False] * 14
    assert {frozenset(pair[:2]) for pair in ada[:10]} == {frozenset(pair[:2]) for pair in bob[:10]}
    assert any(first != second for first, second in zip(ada[:10], bob[:10], strict=True))
    lefts = [left < right for seed in range(8) for left, right, _ in plan("ada", count=30, seed=seed)]
    assert 0.4 < np.mean(lefts) < 0.6  # of 240


def write_page(folder: Path, items: list[Item], question: str = "Which one is better?") -> str:
    path = folder / "page.html"
    path.write_text(make_rating_page(items, "ada", question, pairs=5), encoding="utf-8")
    return path.as_uri()


def shot(page: Page, path: Path) -> np.ndarray:
    return np.asarray(Image.open(page.picture(path)).convert("RGB")).astype(int)


def saved_ratings(page: Page, path: Path) -> Ratings:
    """Press the button that saves, and read what it offers as a download."""
    page.value(CATCH)
    page.click("#save")
    path.write_text(page.until("window.savedText"), encoding="utf-8")
    return read_ratings(path)


@pytest.mark.slow
def test_a_rater_clicks_through_a_study(items: list[Item], tmp_path: Path) -> None:
    address = write_page(tmp_path, items)
    with browser_page(tmp_path) as page:
        page.open(address)
        page.until(f"{SHOWN} && {PLAYED}")
        page.press(" ")
        stopped = page.value(PLAYED)
        picture = shot(page, tmp_path / "light.png")
        assert page.value(PLAYED) == stopped  # the space bar reached the player
        for half in np.array_split(picture, 2, axis=1):
            assert np.sum(half[..., 2] > half[..., 0] + 80) > 200  # both bodies: the left leg is blue
        page.darken(True)
        page.until("getComputedStyle(document.body).backgroundColor === 'rgb(15, 17, 20)'")
        assert shot(page, tmp_path / "dark.png").mean() < 80 < 200 < picture.mean()

        first = page.value("pair")
        page.press("ArrowLeft")
        page.press("u")
        assert page.value("[choices.length, ...pair]") == [0, *first]
        page.click("#right")
        page.press("ArrowDown")
        page.open(address)  # as after a crash of the browser
        page.until(SHOWN)
        assert page.value("choices.length") == 2
        page.click("#player")  # the focus is in the player now, where arrows would step through frames
        page.until("document.activeElement === find('player')")
        page.press("ArrowRight")
        page.press("ArrowDown")
        last = page.value("choices.at(-1).left")
        page.press("Backspace")
        assert page.value("pair")[0] == last
        page.press("ArrowRight")
        page.press("ArrowLeft")
        assert page.value("[pair, find('over').hidden]") == [None, False]
        assert page.value("find('left-over').textContent") == "5 of 5 answered, 0 left"
        ratings = saved_ratings(page, tmp_path / "choices-ada.jsonl")
        assert page.errors == []
    assert [choice.answer for choice in ratings.choices] == ["right", "tie", "right", "right", "left"]
    assert set(ratings.items.values()) == {item.rated for item in items}


@pytest.mark.slow
def test_no_text_becomes_markup(items: list[Item], tmp_path: Path) -> None:
    named = [replace(item, rated=replace(item.rated, name=f"</script>{item.rated.name}")) for item in items]
    with browser_page(tmp_path) as page:
        page.open(write_page(tmp_path, named, "Which is a <b>3</b>?"))
        page.until(SHOWN)
        assert page.value("find('question').textContent") == "Which is a <b>3</b>?"
        page.click("#left")
        assert [choice.answer for choice in saved_ratings(page, tmp_path / "choices.jsonl").choices] == ["left"]
        assert page.errors == []
