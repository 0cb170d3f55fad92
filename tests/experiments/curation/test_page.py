"""The page in a real browser: every key and button, light and dark, and what is on disk afterwards."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from browser import Page, browser_page
from PIL import Image

from selfcorrect.experiments.curation.database import RatedItem, RatingDatabase, RatingStudy
from selfcorrect.experiments.curation.items import Item
from selfcorrect.experiments.curation.server import CurationServer
from selfcorrect.experiments.curation.session import Session

PLAYED = "find('player').contentDocument?.querySelector('#time')?.textContent"

SHOWN = "state && find('player').dataset.shows === String(state.attempt)"


def wait_until_answered(page: Page, count: int) -> None:
    """Wait for so many answers."""
    page.until(f"state.done === {count} && !waiting")


def shot(page: Page, path: Path) -> np.ndarray:
    return np.asarray(Image.open(page.picture(path)).convert("RGB")).astype(int)


@pytest.mark.slow
def test_a_rater_clicks_through_a_study(session: Session, tmp_path: Path) -> None:
    answers = session.database.choices
    with CurationServer(session) as server, browser_page(tmp_path) as page:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.open(server.address)
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

        pair = page.value("[state.left, state.right]")
        page.press("ArrowLeft")
        wait_until_answered(page, 1)
        page.press("u")
        wait_until_answered(page, 0)
        assert page.value("[state.left, state.right]") == pair
        page.click("#right")
        wait_until_answered(page, 1)
        page.press("ArrowDown")
        wait_until_answered(page, 2)
        page.press("x")
        assert page.value("document.body.className") == "rejecting"
        page.press("Escape")
        assert page.value("document.body.className") == ""
        page.click("#reject")
        page.click("#tie")
        wait_until_answered(page, 3)
        page.until(SHOWN)
        page.click("#player")  # the focus is in the player now, where arrows would step through frames
        page.until("document.activeElement === find('player')")
        page.press("ArrowRight")
        wait_until_answered(page, 4)
        page.press("x")
        page.press("ArrowLeft")
        page.until("state.left === null")
        assert page.value("find('over').hidden") is False
        page.press("ArrowLeft")
        page.press("Backspace")
        wait_until_answered(page, 4)
        page.press("ArrowRight")
        page.until("state.left === null")
        assert page.value("find('left-over').textContent") == "5 of 5 answered, 0 left"
        assert page.errors == []
    assert [choice.answer for choice in answers()] == ["right", "tie", "reject both", "right", "right"]


@pytest.mark.slow
def test_a_player_that_loads_takes_no_click_and_no_key(session: Session, tmp_path: Path) -> None:
    with CurationServer(session) as server, browser_page(tmp_path) as page:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.open(server.address)
        page.until(SHOWN)
        assert page.value("find('player').inert") is False
        page.value("find('player').focus()")
        assert page.value("answer('left').then(() => [find('player').inert, document.activeElement.tagName])") == [
            True, "BODY"
        ]  # fmt: skip
        page.until(SHOWN)
        assert page.value("find('player').inert") is False


@pytest.mark.slow
def test_pictures_stand_side_by_side_and_a_dead_server_is_reported(tmp_path: Path) -> None:
    shown = [np.full((8, 8), value, np.uint8) for value in (0, 128, 255)]
    items = [Item(RatedItem(str(row), f"digit {row}", "run", "3"), picture) for row, picture in enumerate(shown)]
    with RatingDatabase(tmp_path / "r.sqlite", RatingStudy("pictures", "Which is a <b>3</b>?", 0, ())) as database:
        server = CurationServer(Session(database, items, "ada"))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with browser_page(tmp_path) as page:
            page.open(server.address)
            page.until("state && document.querySelectorAll('img')[1].naturalWidth === 8")
            assert page.value("find('question').textContent") == "Which is a <b>3</b>?"
            assert page.value("find('pictures').getBoundingClientRect().height") > 100
            page.click("#left")
            wait_until_answered(page, 1)
            server.shutdown()
            server.server_close()
            thread.join()
            page.press("ArrowLeft")
            page.until("find('said').className === 'wrong'")
            assert "What you answered before is saved" in page.value("find('said').textContent")
        assert len(database.choices()) == 1
