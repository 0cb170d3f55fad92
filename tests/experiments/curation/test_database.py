"""The file of choices: what it keeps, how answers are undone, and which files it refuses."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.experiments.curation.database import Progress, RatedItem, RatingDatabase, RatingStudy
from selfcorrect.preferences.choices import Choice

STUDY = RatingStudy("motions", "Which one?", 3, ("one", "two"))
ITEMS = [RatedItem(name, f"name of {name}", "somewhere", "walk", (1.0, -2.5)) for name in "abcd"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with RatingDatabase(tmp_path / "r.sqlite", STUDY) as database:
        database.add(ITEMS)
    return tmp_path / "r.sqlite"


def test_items_and_choices_are_there_again(path: Path) -> None:
    choices = [Choice("ada", "a", "b", "left"), Choice("ada", "c", "a", "reject both")]
    with RatingDatabase(path) as database:
        for choice in choices:
            assert database.record(choice, database.progress("ada", "abcd"), 1.5)
    with RatingDatabase(path, STUDY) as database:
        database.add(ITEMS)
        assert database.study == STUDY
        assert list(database.items().values()) == ITEMS
        assert database.choices() == choices
        assert database.seconds() == [1.5, 1.5]


def test_an_answer_that_is_sent_twice_counts_once(path: Path) -> None:
    with RatingDatabase(path) as database:
        at = database.progress("ada", "abcd")
        assert database.record(Choice("ada", "a", "b", "left"), at, 1.0)
        assert not database.record(Choice("ada", "a", "b", "right"), at, 1.0)
        assert database.choices() == [Choice("ada", "a", "b", "left")]


def test_undone_answers_are_asked_again_in_their_order_and_stay_on_file(path: Path) -> None:
    with RatingDatabase(path) as database:

        def progress_now() -> Progress:
            return database.progress("ada", "abcd")

        for pair in (("a", "b"), ("b", "c"), ("c", "d")):
            database.record(Choice("ada", *pair, "left"), progress_now(), 1.0)
        database.undo(progress_now())
        database.undo(progress_now())
        assert (progress_now().attempts, progress_now().answered, progress_now().redo) == (3, 1, ("b", "c"))
        database.record(Choice("ada", "b", "c", "right"), progress_now(), 1.0)
        assert progress_now().redo == ("c", "d")
        database.record(Choice("ada", "c", "d", "tie"), progress_now(), 1.0)
        assert progress_now().redo is None
        assert [choice.answer for choice in database.choices()] == ["left", "right", "tie"]
        assert database._execute("SELECT count(*) FROM choices") == [(5,)]
        for _ in range(5):
            database.undo(progress_now())
        assert database.choices() == []


def test_answers_about_other_samples_neither_count_nor_are_undone(path: Path) -> None:
    with RatingDatabase(path) as database:
        database.record(Choice("ada", "a", "b", "left"), database.progress("ada", "ab"), 1.0)
        others_answers = database.progress("ada", "cd")
        assert (others_answers.attempts, others_answers.answered, others_answers.latest) == (1, 0, None)
        database.undo(others_answers)
        assert len(database.choices()) == 1


def test_several_raters_write_at_the_same_time(path: Path) -> None:
    def rate(rater: str) -> None:
        with RatingDatabase(path) as rating_database:
            for _ in range(15):
                rating_database.record(Choice(rater, "a", "b", "left"), rating_database.progress(rater, "ab"), 1.0)

    raters = [threading.Thread(target=rate, args=(name,)) for name in ("ada", "bob", "cleo")]
    for thread in raters:
        thread.start()
    for thread in raters:
        thread.join()
    with RatingDatabase(path) as database:
        assert sorted(choice.rater for choice in database.choices()) == ["ada"] * 15 + ["bob"] * 15 + ["cleo"] * 15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"question": "What?"}, "question is 'Which one"),
        ({"seed": 4}, "its seed is 3"),
        ({"kind": "pictures"}, "its kind"),
    ],
)
def test_another_study_is_refused(path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(SelfcorrectError, match=f"belongs to another study: .*{words}"):
        RatingDatabase(path, replace(STUDY, **change))


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, and longer than its magic")
    other_file = tmp_path / "other.sqlite"
    with sqlite3.connect(other_file) as connection:
        connection.execute("CREATE TABLE mine (x)")
    cut = tmp_path / "cut.sqlite"
    cut.write_bytes(other_file.read_bytes()[:3000])
    for path in (text, other_file, cut):
        before = path.read_bytes()
        for study in (None, STUDY):
            with pytest.raises(SelfcorrectError, match=r"database"):
                RatingDatabase(path, study)
        assert path.read_bytes() == before
    with pytest.raises(SelfcorrectError, match="no such file; `selfcorrect curate"):
        RatingDatabase(tmp_path / "missing.sqlite")
    with pytest.raises(SelfcorrectError, match="there is no folder"):
        RatingDatabase(tmp_path / "no" / "r.sqlite", STUDY)
    with pytest.raises(SelfcorrectError, match="is no regular file"):
        RatingDatabase(tmp_path, STUDY)


def test_a_forged_database_is_refused(path: Path) -> None:
    """A trigger would run with every answer; an answer and features that there cannot be would mislead."""
    forgeries = (
        "CREATE TRIGGER more AFTER INSERT ON choices BEGIN DELETE FROM items; END",
        "CREATE VIEW seen AS SELECT * FROM items",
    )
    for number, forgery in enumerate(forgeries):
        copy = path.with_name(f"{number}.sqlite")
        copy.write_bytes(path.read_bytes())
        with sqlite3.connect(copy) as connection:
            connection.execute(forgery)
        connection.close()
        with pytest.raises(SelfcorrectError, match="is no database of `selfcorrect curate`"):
            RatingDatabase(copy)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO choices VALUES (1, 'ada', 0, 0, 'a', 'b', 'perhaps', 0, 1.0, '')")
        connection.execute("UPDATE items SET features = '[1, \"x\"]'")
    connection.close()
    with RatingDatabase(path) as database:
        with pytest.raises(SelfcorrectError, match="'perhaps' is no answer"):
            database.choices()
        with pytest.raises(SelfcorrectError, match="not finite numbers"):
            database.items()
