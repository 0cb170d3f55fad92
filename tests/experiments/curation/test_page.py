"""The page in a real browser: every key and button, light and dark, and the choices that it saves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import Page, browser_page
from PIL import Image

from selfcorrect.experiments.curation.choices import Ratings, read_ratings
from selfcorrect.experiments.curation.items import Item
from selfcorrect.experiments.curation.page import make_rating_page

PLAYED = "find('player').contentDocument?.querySelector('#time')?.textContent"
SHOWN = "pair && find('player').dataset.shows === `${pair[0]} ${pair[1]}`"
CATCH = "URL.createObjectURL = (blob) => { blob.text().then((text) => { window.savedText = text; }); return '#'; }"


def write_page(folder: Path, items: list[Item], question: str = "Which one is better?") -> str:
    path = folder / "page.html"
    page, _ = make_rating_page(items, "ada", question=question, pairs=5, marked=False)
    path.write_text(page, encoding="utf-8")
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
