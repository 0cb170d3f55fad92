"""Contacts that people read and edit: corrections plant feet in them and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle, resample, retime
from selfcorrect.simulators.foot_contacts import Contacts, FootContact, _soles_m


def sunk(fps: float = 30.0, pace: float = 1.0) -> sc.Motion:
    """Three cycles of a real walk, played at a pace, 5 cm below the floor."""
    cycle = next(clip for clip in load_deepmimic() if clip.label == "walk")
    walk = resample(retime(repeat_cycle(close_cycle(cycle), 3), 1 / pace), fps)
    return replace(walk, root_m=walk.root_m - [0.0, 0.05, 0.0])


def corrected(motion: sc.Motion) -> sc.Motion:
    correction = sc.correct(motion, kinematic=True)
    assert correction.accepted, correction.reason
    return correction.motion


def test_they_come_back_from_a_file_as_they_were(tmp_path: Path) -> None:
    contacts = Contacts.of(corrected(sunk()))
    assert {each.part for each in contacts.contacts} == {"left foot", "right foot"}
    contacts.save(tmp_path / "walk.contacts.json")
    assert Contacts.load(tmp_path / "walk.contacts.json") == contacts


@pytest.mark.parametrize(("fps", "pace"), [(30.0, 1.0), (60.0, 0.7), (120.0, 1.3)])
def test_contacts_of_a_correction_given_back_change_next_to_nothing(fps: float, pace: float) -> None:
    motion = sunk(fps, pace)
    made = corrected(motion)
    again = corrected(Contacts.of(made).on(motion))
    assert np.abs(sc.joint_positions(again) - sc.joint_positions(made)).mean() < 0.003


def test_a_foot_is_planted_where_people_say_and_not_where_they_took_the_contact_away() -> None:
    motion = sunk()
    found = Contacts.of(corrected(motion))
    gone = next(each for each in found.contacts if each.first_frame > 20)
    made = corrected(replace(found, contacts=tuple(each for each in found.contacts if each != gone)).on(motion))
    foot = ("left foot", "right foot").index(gone.part)
    middle = (gone.first_frame + gone.last_frame) // 2
    planted_m, free_m = (_soles_m(each)[middle, foot, 1] for each in (corrected(motion), made))
    assert free_m > planted_m + 0.003, "a foot that swings keeps clear of the ground"


def test_a_foot_is_put_where_people_say() -> None:
    motion = sunk()
    found = Contacts.of(corrected(motion))
    which = next(index for index, each in enumerate(found.contacts) if each.first_frame > 20)
    asked = found.contacts[which]
    assert asked.position_m is not None
    x, y, z = asked.position_m
    wanted = replace(asked, position_m=(x + 0.08, y, z))
    edited = tuple(wanted if index == which else each for index, each in enumerate(found.contacts))
    made = Contacts.of(corrected(replace(found, contacts=edited).on(motion)))
    near = min(made.contacts, key=lambda each: (each.part != asked.part, abs(each.first_frame - asked.first_frame)))
    assert near.position_m is not None
    assert abs(near.position_m[0] - (x + 0.08)) < 0.02
    assert abs(near.position_m[2] - z) < 0.02


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ('{"frames": 9, "fps": 30, "contacts": [{"part": "left foot", "first_frame": 3, "last_frame": 9}]}', "0 to 8"),
        ('{"frames": 9, "fps": 30, "contacts": [{"part": "tail", "first_frame": 3, "last_frame": 4}]}', "part"),
        ('{"frames": 9}', "fps is missing"),
        ("{", "not JSON"),
    ],
)
def test_a_file_that_is_none_gets_a_sentence_with_its_name(tmp_path: Path, wrong: str, why: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(wrong)
    with pytest.raises(InputError, match=rf"wrong\.json.*{why}"):
        Contacts.load(path)


def test_contacts_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="frames, the contacts are of 9"):
        Contacts(9, 30.0, (FootContact("left foot", 0, 3),)).on(sunk())
