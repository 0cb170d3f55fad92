"""A browser edits: drag an end, see the figures change, undo, save the file of the command line."""

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, needs_browser, open_browser

from selfcorrect.commands.cli import main
from selfcorrect.commands.correct.show import show
from selfcorrect.commands.edit.server import EditServer
from selfcorrect.commands.edit.session import EditSession
from selfcorrect.simulators.planning.edited_contacts import Contacts

pytestmark = [needs_browser, pytest.mark.nightly]

READY = "document.body.dataset.state === 'ready'"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with open_browser(tmp_path / "profile") as page:
        page.resize(1280, 800)
        yield page
        assert not page.errors


def read_bars(page: Page) -> list[dict[str, float]]:
    """Return edges and middle of each bar, in pixels."""
    return page.run(
        "[...document.querySelectorAll('.bar')].map(bar => { const box = bar.getBoundingClientRect();"
        "return {left: box.left, right: box.right, middle: box.top + box.height / 2}; })"
    )


def texts(page: Page, choice: str) -> list[str]:
    return page.run(f"[...document.querySelectorAll({choice!r})].map(shown => shown.textContent)")


def wait_for_answer(page: Page, shown: list[str]) -> None:
    deadline = time.monotonic() + 60
    while texts(page, ".bar") == shown or not page.run(READY):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_drag_undo_save(page: Page, server: EditServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page.open(server.address)
    page.wait(READY)
    page.press(" ")
    figures, slips = texts(page, "#figures span"), texts(page, ".bar")
    second = read_bars(page)[1]
    page.drag((second["right"] - 2, second["middle"]), (second["right"] + 60, second["middle"]))
    wait_for_answer(page, slips)
    assert texts(page, "#figures span") != figures
    assert "→" in texts(page, ".bar")[1]
    page.press("z", ctrl=True)
    page.wait(READY)
    page.wait(f"document.querySelector('.bar').textContent === {slips[0]!r}")
    assert texts(page, "#figures span") == figures
    assert texts(page, ".bar") == slips
    page.press("y", ctrl=True)
    wait_for_answer(page, slips)
    page.press("s", ctrl=True)
    page.wait("document.body.dataset.saved === '1'")
    (command,) = texts(page, "#command")
    session = server.session
    again = tmp_path / "again.bvh"
    monkeypatch.chdir(tmp_path)
    main([*shlex.split(command.replace(str(session.out), str(again)))[1:], "-q", "--workers", "1"])
    assert again.read_bytes() == session.out.read_bytes()


LANES = ("left heel", "left toes", "right heel", "right toes")


def read_lanes(page: Page) -> dict[str, list[tuple[int, int]]]:
    """Return first and last frames of the bars of heels and toes, at 30 frames per second."""
    lanes: dict[str, list[tuple[int, int]]] = {name: [] for name in LANES}
    labels = page.run("[...document.querySelectorAll('.bar')].map(bar => bar.getAttribute('aria-label'))")
    for name, first_s, last_s in re.findall(r"^([\w ]+), ([\d.]+) to ([\d.]+) s", "\n".join(labels), re.MULTILINE):
        lanes[name].append((round(30 * float(first_s)), round(30 * float(last_s))))
    return lanes


def show_frame(page: Page, frame: int) -> None:
    page.run(
        f"(at => {{ at.value = {frame}; at.dispatchEvent(new Event('input')); }})(document.querySelector('#frame'))"
    )


def find_edges(page: Page, lane: str, index: int) -> dict[str, float]:
    """Return edges and middle of a bar, in pixels."""
    return page.run(
        f"(box => ({{left: box.left, right: box.right, middle: box.top + box.height / 2}}))("
        f"document.querySelectorAll('[data-lane=\"{lane}\"] .bar')[{index}].getBoundingClientRect())"
    )


def test_heels_and_toes_have_bars(
    page: Page, server_with_toes: EditServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends are dragged; bars are added, split and deleted; each step is undone and done again; then saved."""
    page.open(server_with_toes.address)
    page.wait(READY)
    page.press(" ")
    steps = [read_lanes(page)]
    assert set(steps[0]) == set(LANES)
    assert all(steps[0].values())

    def settle() -> None:
        page.wait(READY)
        now = read_lanes(page)
        assert now != steps[-1]
        assert all(now[lane] == steps[0][lane] for lane in LANES[2:]), "bars of the other foot stay"
        steps.append(now)

    heel = find_edges(page, "left heel", 1)
    page.drag((heel["right"] - 2, heel["middle"]), (heel["right"] + 25, heel["middle"]))
    settle()
    assert steps[-1]["left heel"][1][0] == steps[0]["left heel"][1][0]
    assert steps[-1]["left heel"][1][1] > steps[0]["left heel"][1][1]
    toes = find_edges(page, "left toes", 1)
    page.drag((toes["left"] + 2, toes["middle"]), (toes["left"] + 30, toes["middle"]))
    settle()
    assert steps[-1]["left toes"][1][0] > steps[0]["left toes"][1][0]
    first, last = steps[-1]["left toes"][0]
    show_frame(page, (first + last) // 2)
    page.run("document.querySelector('[data-lane=\"left toes\"] .bar').focus()")
    page.press("s")
    settle()
    assert len(steps[-1]["left toes"]) == len(steps[0]["left toes"]) + 1
    page.run("document.querySelector('[data-lane=\"left heel\"] .bar').focus()")
    page.press("Delete")
    settle()
    assert len(steps[-1]["left heel"]) == len(steps[0]["left heel"]) - 1
    show_frame(page, steps[0]["left heel"][0][0])
    page.press("l")
    settle()
    for earlier in steps[-2::-1]:
        page.press("z", ctrl=True)
        page.wait(READY)
        assert read_lanes(page) == earlier
    for later in steps[1:]:
        page.press("y", ctrl=True)
        page.wait(READY)
        assert read_lanes(page) == later
    page.press("s", ctrl=True)
    page.wait("document.body.dataset.saved === '1'")
    (command,) = texts(page, "#command")
    session = server_with_toes.session
    assert {contact.part for contact in Contacts.load(session.contacts_out).contacts} == set(LANES)
    again = tmp_path / "again.bvh"
    monkeypatch.chdir(tmp_path)
    main([*shlex.split(command.replace(str(session.out), str(again)))[1:], "-q", "--workers", "1"])
    assert again.read_bytes() == session.out.read_bytes()


def test_keyboard_alone(page: Page, server: EditServer) -> None:
    page.open(server.address)
    page.wait(READY)
    page.press(" ")
    own = texts(page, ".bar")
    page.run("(amount => { amount.value = 0; amount.onchange({target: amount}); })(document.querySelector('#amount'))")
    wait_for_answer(page, own)  # the motion of the file, whose feet are in the floor
    page.press("n")
    assert texts(page, "#problem")[0].startswith("1 of ")
    (time_of_problem,) = texts(page, "#time")
    page.press("ArrowRight")
    page.wait(f"document.querySelector('#time').textContent !== {time_of_problem!r}")
    sunk = texts(page, ".bar")
    page.press("z", ctrl=True)
    wait_for_answer(page, sunk)
    before = texts(page, ".bar")
    assert before == own
    page.run("document.querySelector('.bar').focus()")
    page.press("Delete")
    wait_for_answer(page, before)
    assert len(texts(page, ".bar")) == len(before) - 1
    page.press("x")
    page.wait("document.querySelectorAll('.untouched .bar').length === 1")
    for count in (len(before) - 1, len(before)):
        page.press("z", ctrl=True)
        page.wait(f"document.querySelectorAll('.bar').length === {count}")
    page.wait(READY)
    assert texts(page, ".bar") == before


def test_static_page_exports_contacts(page: Page, session_with_toes: EditSession, tmp_path: Path) -> None:
    motion = session_with_toes.before
    shown = tmp_path / "view.html"
    shown.write_text(show(motion, motion, titles=["a", "b"]).html)
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.open(shown.as_uri())
    page.press(" ")
    assert page.run("[...document.querySelectorAll('[data-lane]')].map(lane => lane.dataset.lane)") == [*LANES]
    count = len(texts(page, ".bar"))
    show_frame(page, 14)  # the left foot is in the air
    page.press("l")
    added = len(texts(page, ".bar")) - count
    assert added in (1, 2)
    page.resize(390, 844, dark=True)
    shown = page.run("[...document.querySelectorAll('.bar')].map(bar => bar.innerText)")
    assert all(re.fullmatch(r"|\d+|\d+ mm", words) for words in shown), "narrow bars show the slip that is left"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    page.resize(1280, 800)
    assert any("→" in words for words in page.run("[...document.querySelectorAll('.bar')].map(bar => bar.innerText)"))
    page.run("document.querySelector('#export').click()")
    exported = tmp_path / "b.contacts.json"
    deadline = time.monotonic() + 20
    while not exported.is_file():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    contacts = Contacts.load(exported)
    assert (contacts.frames, len(contacts.contacts)) == (len(motion), len(texts(page, ".bar")))
