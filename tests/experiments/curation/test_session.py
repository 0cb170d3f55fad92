"""A rater at work: what is asked, what is kept, and that the same command resumes where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selfcorrect.experiments.curation.database import RatedItem, RatingDatabase, RatingStudy
from selfcorrect.experiments.curation.items import Item
from selfcorrect.experiments.curation.session import Session


def make_answer(state: dict[str, Any], answer: str) -> dict[str, Any]:
    return {**{name: state[name] for name in ("attempt", "left", "right")}, "answer": answer, "seconds": 2.0}


def test_pairs_are_asked_until_none_is_left(session: Session) -> None:
    state = session.state()
    seen = list[set[str]]()
    assert (state["done"], state["total"]) == (0, 5)
    while state["left"] is not None:
        seen.append({state["left"], state["right"]})
        state = session.answer(make_answer(state, "left"))
    assert (state["done"], state["total"]) == (5, 5)
    assert len({frozenset(pair) for pair in seen}) == 5
    assert "scene" not in state


def test_raters_see_motions_without_names_and_figures(session: Session, items: list[Item]) -> None:
    state = session.state()
    scene = json.loads(state["scene"])
    assert [motion["title"] for motion in scene["motions"]] == ["Left", "Right"]
    assert not scene["marked"]
    assert all(motion["depth"] is None and motion["skate"] is None for motion in scene["motions"])
    assert not any(item.rated.name in json.dumps(state) for item in items)


def test_marked_motions_have_their_figures(database: RatingDatabase, items: list[Item]) -> None:
    scene = json.loads(Session(database, items, "ada", marked=True).state()["scene"])
    assert scene["marked"]
    assert all(motion["depth"] for motion in scene["motions"])


def test_a_new_program_asks_what_the_last_one_asked(
    session: Session, database: RatingDatabase, items: list[Item]
) -> None:
    first = session.answer(make_answer(session.state(), "right"))
    resumed = Session(database, list(reversed(items)), "ada", pairs=5).state()
    assert {**resumed, "recorded": True} == first


def test_an_undone_pair_comes_again_as_it_stood(session: Session) -> None:
    first = session.state()
    second = session.answer(make_answer(first, "left"))
    undone = session.undo({"done": second["done"]})
    assert (undone["left"], undone["right"], undone["done"]) == (first["left"], first["right"], 0)
    assert session.undo({"done": 0})["done"] == 0
    assert session.undo({"done": 1}) == undone  # a request that comes twice undoes once
    assert session.answer(make_answer(undone, "right"))["done"] == 1
    assert [choice.answer for choice in session.database.choices()] == ["right"]


def test_an_answer_about_another_pair_is_not_recorded(session: Session) -> None:
    first = session.state()
    second = session.answer(make_answer(first, "left"))
    assert second["recorded"]
    repeated = session.answer(make_answer(first, "right"))  # of a second page, or a request that comes twice
    assert repeated == {**second, "recorded": False}
    swapped = {**make_answer(second, "left"), "left": second["right"], "right": second["left"]}
    assert session.answer(swapped)["done"] == 1
    assert len(session.database.choices()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "perhaps"},
        {"seconds": float("nan")},
        {"seconds": "1"},
        {"attempt": "0"},
        {"attempt": True},
        {"left": 1},
    ],
)
def test_malformed_answers_are_refused(session: Session, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs"):
        session.answer({**make_answer(session.state(), "left"), **change})
    with pytest.raises(ValueError, match="needs done"):
        session.undo({})
    assert session.database.choices() == []


def test_another_raters_answers_change_no_pair_that_is_shown(
    session: Session, database: RatingDatabase, items: list[Item]
) -> None:
    asked = session.state()
    bob = Session(database, items, "bob", pairs=5)
    bob.answer(make_answer(bob.state(), "left"))
    assert session.state() == asked
    assert session.answer(make_answer(asked, "left"))["done"] == 1


def test_pictures_are_shown_and_labels_are_kept_apart(tmp_path: Path) -> None:
    pictures = [np.full((4, 4), 60 * number, np.uint8) for number in range(4)]
    items = [Item(RatedItem(str(row), str(row), "run", str(row % 2)), picture) for row, picture in enumerate(pictures)]
    with RatingDatabase(tmp_path / "r.sqlite", RatingStudy("pictures", "?", 0, ())) as database:
        state = Session(database, items, "ada").state()
        assert state["total"] == 2  # one pair of each label
        assert [address[:22] for address in state["pictures"]] == ["data:image/png;base64,"] * 2
        assert state["label"] in ("0", "1")


def test_a_database_may_hold_answers_about_other_samples(
    session: Session, database: RatingDatabase, items: list[Item]
) -> None:
    first = Session(database, items[:3], "ada")
    state = first.state()
    while state["left"]:
        state = first.answer(make_answer(state, "left"))
    assert state["done"] == 3
    later_session = Session(database, items[3:], "ada", pairs=3)
    assert (later_session.state()["done"], later_session.state()["total"]) == (0, 3)
    assert later_session.answer(make_answer(later_session.state(), "tie"))["done"] == 1
    assert session.state()["done"] == 4  # of all six samples
