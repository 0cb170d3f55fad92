"""Heels and toes are held in contacts of their own, near what was edited."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import load_clips
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import made_motion

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.curves import FADING_S
from selfcorrect.simulators.planning.edited_contacts import POINTS, Contacts, LimbContact, point_heights_m, pose_level
from selfcorrect.simulators.results.results import CorrectedMotion, NoteKind

PARTS = [*POINTS[0], *POINTS[1]]


def correct(motion: sc.Motion, **options: Any) -> CorrectedMotion:
    correction = sc.correct(motion, kinematic=True, **options)
    assert correction.accepted, correction.reason
    return correction


@pytest.fixture(scope="module")
def motion() -> sc.Motion:
    """A made-up walk with toe joints, 4 cm below the floor."""
    walk = made_motion("walk", frames=120)
    return replace(walk, root_m=walk.root_m - [0.0, 0.04, 0.0])


@pytest.fixture(scope="module")
def corrected_motion(motion: sc.Motion) -> sc.Motion:
    return correct(motion).motion


@pytest.fixture(scope="module")
def contacts(corrected_motion: sc.Motion) -> Contacts:
    return Contacts.from_motion(corrected_motion, by_point=True)


def find_inner(contacts: Contacts, part: str) -> LimbContact:
    """Return a contact of a part with half a second around."""
    margin = contacts.fps / 2
    inside = [
        contact
        for contact in contacts.of_part(part)
        if contact.first_frame > margin and contact.last_frame < contacts.frames - margin
    ]
    return inside[0]


def exchange(contacts: Contacts, contact: LimbContact, *edited: LimbContact) -> Contacts:
    others = [other for other in contacts.contacts if other != contact]
    return replace(contacts, contacts=(*others, *edited))


def read_heights_m(motion: sc.Motion, contact: LimbContact, frames: slice) -> np.ndarray:
    """Return heights of a contact's point in frames."""
    assert contact.point is not None
    return point_heights_m(pose_level(motion))[frames, contact.foot, contact.point]


def is_noted(correction: CorrectedMotion, contact: LimbContact) -> bool:
    words = [note.words for note in correction.notes if note.kind is NoteKind.CONTACT_MISSED]
    return any(said.startswith(str(contact)) for said in words)


def test_own_contacts_change_nothing(motion: sc.Motion, corrected_motion: sc.Motion, contacts: Contacts) -> None:
    assert {contact.part for contact in contacts.contacts} == set(PARTS)
    again = correct(motion, contacts=contacts)
    assert np.array_equal(again.motion.rotations, corrected_motion.rotations)
    assert np.array_equal(again.motion.root_m, corrected_motion.root_m)
    assert not any(is_noted(again, contact) for contact in contacts.contacts)


def test_files_round_trip(motion: sc.Motion, contacts: Contacts, tmp_path: Path) -> None:
    contacts.save(tmp_path / "c.json")
    assert Contacts.load(tmp_path / "c.json") == contacts
    sc.save_motion(tmp_path / "walk.bvh", motion)
    words = ["correct", str(tmp_path / "walk.bvh"), "--kinematic", "-q", "--workers", "1"]
    main([*words, "-o", str(tmp_path / "out.bvh"), "--contacts-out", str(tmp_path / "own.json")])
    feet = Contacts.load(tmp_path / "own.json")
    assert {contact.part for contact in feet.contacts} == {"left foot", "right foot"}, "as in files of earlier versions"


@pytest.mark.parametrize("part", PARTS)
def test_longer_contact_is_held(motion: sc.Motion, corrected_motion: sc.Motion, contacts: Contacts, part: str) -> None:
    contact = find_inner(contacts, part)
    longer = replace(contact, last_frame=contact.last_frame + 4)
    added = slice(contact.last_frame + 1, longer.last_frame + 1)
    correction = correct(motion, contacts=exchange(contacts, contact, longer))
    before_m, after_m = (read_heights_m(each, contact, added) for each in (corrected_motion, correction.motion))
    assert before_m.max() > 0.015, "the control: without the edit, it leaves the ground"
    assert after_m.max() < (before_m.max() if is_noted(correction, longer) else 0.015)


def test_released_heel_rises(motion: sc.Motion, corrected_motion: sc.Motion, contacts: Contacts) -> None:
    heel = find_inner(contacts, "left heel")
    shorter = replace(heel, last_frame=(heel.first_frame + heel.last_frame) // 2)
    released = slice(shorter.last_frame + 2, heel.last_frame + 1)
    edited = correct(motion, contacts=exchange(contacts, heel, shorter)).motion
    rise_m = read_heights_m(edited, heel, released) - read_heights_m(corrected_motion, heel, released)
    assert rise_m.max() > 0.001


def draw_edit(data: st.DataObject, contacts: Contacts) -> Contacts:
    """Delete, split, shorten or lengthen a contact of a heel or of toes."""
    contact = data.draw(st.sampled_from(contacts.contacts))
    middle = (contact.first_frame + contact.last_frame) // 2
    later = replace(contact, first_frame=min(middle + 1, contact.last_frame))
    of_part = contacts.of_part(contact.part)
    following = [other.first_frame for other in of_part if other.first_frame > contact.last_frame]
    last = min([contact.last_frame + 2, contacts.frames - 1, *(first - 1 for first in following)])
    edits: dict[str, tuple[LimbContact, ...]] = {
        "delete": (),
        "shorten": (later,),
        "lengthen": (replace(contact, last_frame=last),),
    }
    if contact.last_frame - contact.first_frame > 2:
        edits["split"] = (replace(contact, last_frame=middle - 1), later)
    return exchange(contacts, contact, *edits[data.draw(st.sampled_from(sorted(edits)))])


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_edits_change_nothing_elsewhere(
    motion: sc.Motion, corrected_motion: sc.Motion, contacts: Contacts, data: st.DataObject
) -> None:
    edited = draw_edit(data, contacts)
    result = correct(motion, contacts=edited).motion
    reach = 2 * round(FADING_S * motion.fps)
    is_near = np.zeros(len(motion), dtype=bool)
    for changed in set(contacts.contacts) ^ set(edited.contacts):
        is_near[max(changed.first_frame - reach, 0) : changed.last_frame + reach + 1] = True
    for stance in (*contacts.merge_points().contacts, *edited.merge_points().contacts):
        if is_near[stance.frames].any():
            is_near[max(stance.first_frame - reach, 0) : stance.last_frame + reach + 1] = True
    assert np.array_equal(result.rotations[~is_near], corrected_motion.rotations[~is_near])
    assert np.array_equal(result.root_m[~is_near], corrected_motion.root_m[~is_near])


def test_foot_stands_while_heel_or_toes_do() -> None:
    heel = LimbContact("left heel", 2, 8)
    toes = LimbContact("left toes", 5, 12)
    whole = LimbContact("right foot", 0, 4)
    merged = Contacts(20, 30.0, (heel, toes, whole)).merge_points()
    assert merged.contacts == (whole, LimbContact("left foot", 2, 12))
    apart = Contacts(20, 30.0, (heel, replace(toes, first_frame=10))).merge_points()
    assert [(contact.first_frame, contact.last_frame) for contact in apart.contacts] == [(2, 8), (10, 12)]
    assert merged.merge_points() is merged


def test_whole_foot_and_heel_at_once_raise() -> None:
    foot = LimbContact("left foot", 0, 5)
    Contacts(20, 30.0, (foot, LimbContact("left heel", 6, 9), LimbContact("right heel", 0, 5)))
    with pytest.raises(InputError, match="frame 5"):
        Contacts(20, 30.0, (foot, LimbContact("left heel", 5, 9)))


@pytest.mark.parametrize("wrong", [{"position_m": (0.0, 0.0, 0.0)}, {"kind": "slides"}, {"kind": "rides"}])
def test_heels_have_neither_place_nor_kind(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="left heel"):
        LimbContact("left heel", 0, 3, **wrong)


def test_feet_without_toe_joints_stand_as_a_whole() -> None:
    walk = load_clips()["walk"]
    assert {contact.part for contact in Contacts.from_motion(correct(walk).motion, by_point=True).contacts} <= {
        "left foot",
        "right foot",
    }
    heel = Contacts(len(walk), walk.fps, (LimbContact("left heel", 0, 3),))
    with pytest.raises(InputError, match="no toe joints"):
        sc.correct(walk, kinematic=True, contacts=heel)
