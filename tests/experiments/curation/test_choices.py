"""Files of choices: what is read, what counts twice, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from rating_files import write_choices
from simulated_raters import choose

from selfcorrect.core.errors import InputError
from selfcorrect.experiments.curation.choices import RatedItem, RatingStudy, read_ratings

ITEMS = tuple(RatedItem(sample, f"walk {sample}", "run", "walk", (0.5,)) for sample in "abc")
STUDY = RatingStudy("Which one?", ("jerk",), ITEMS)


def test_files_of_several_raters_are_read_together_joined_or_from_a_folder(tmp_path: Path) -> None:
    ada = write_choices(tmp_path / "ada.jsonl", STUDY, [choose("ada", "a", "b", "left")])
    bob = write_choices(tmp_path / "bob.jsonl", STUDY, [choose("bob", "b", "a", "tie")])
    ratings = read_ratings(ada, bob)
    assert ratings.choices == [choose("ada", "a", "b", "left"), choose("bob", "b", "a", "tie")]
    assert ratings.items == {item.id: item for item in ITEMS}
    assert read_ratings(tmp_path).choices == ratings.choices
    joined = tmp_path / "joined"
    joined.write_text(ada.read_text() + "\n" + bob.read_text())
    assert read_ratings(joined).choices == ratings.choices


def test_the_last_answer_of_a_rater_about_a_pair_counts(tmp_path: Path) -> None:
    first = write_choices(tmp_path / "1.jsonl", STUDY, [choose("ada", "a", "b", "left")])
    again = [
        choose("ada", "b", "a", "right"),
        choose("ada", "a", "c", "tie"),
        choose("ada", "a", "b", "tie"),
    ]
    second = write_choices(tmp_path / "2.jsonl", STUDY, again)
    assert read_ratings(first, second).choices == again[1:]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 2: not JSON|line 2, line 1: not JSON"),
        ("[1]", "line 2: expected study, choice"),
        ('{"choice": {"rater": "ada"}}', "line 2: choice: left is missing"),
        ('{"choice": {"rater": "ada", "left": "a", "right": "x", "answer": "tie", "seconds": 1, "common": false}}',
         "line 2: a choice between two samples of the lines above"),
        ('{"choice": {"rater": "ada", "left": "a", "right": "b", "answer": "yes", "seconds": 1, "common": false}}',
         "line 2: choice: answer"),
        *(
            ('{"choice": {"rater": "ada", "left": "a", "right": "b", "answer": "tie", "seconds": ' + seconds
             + ', "common": false}}', "line 2: expected the seconds of a choice, got")
            for seconds in ("NaN", "1e999", "Infinity", "-1")
        ),
        ('{"choice": {"rater": "ada", "left": "a", "right": "b", "answer": "tie", "seconds": 1, "common": false, '
         '"rater": "bob"}}', "line 2: .*rater.* given twice"),
        ('{"study": {"question": "?", "features": [], "items": [{"id": "d", "name": "", "source": "", "label": "", '
         '"features": [NaN]}]}}', "not finite"),
        ('{"study": {"question": "?", "features": [], "items": []}}', "choices of one study are expected"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write_choices(tmp_path / "ada.jsonl", STUDY, [])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=message):
        read_ratings(path)


def test_files_without_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody has answered yet"):
        read_ratings(write_choices(tmp_path / "ada.jsonl", STUDY, []))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no \.jsonl files"):
        read_ratings(tmp_path / "empty")
