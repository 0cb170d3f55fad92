"""Corrections hold the contacts that people edit, and no others."""

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
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.body.surface import sole_points, world_sole_points
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle, resample, retime
from selfcorrect.motion.geometry.curves import FADING_S
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.perception.foot_frames import level_feet
from selfcorrect.simulators.planning.contact_holding import HOLDING_TOLERANCE_M, find_missed
from selfcorrect.simulators.planning.edited_contacts import Contacts, LimbContact
from selfcorrect.simulators.results.results import CorrectedMotion, NoteKind


def make_sunk_motion(fps: float = 30.0, pace: float = 1.0) -> sc.Motion:
    """Return three real walk cycles at a pace, 5 cm below the floor."""
    walk = resample(retime(repeat_cycle(close_cycle(load_clips()["walk"]), 3), 1 / pace), fps)
    return replace(walk, root_m=walk.root_m - [0.0, 0.05, 0.0])


def sliding_turn() -> sc.Motion:
    """Turn on the spot with sliding feet.

    The person is made up, 3 cm below the floor.
    """
    turning = made_motion("turn", frames=120)
    return replace(turning, root_m=turning.root_m - [0.0, 0.03, 0.0])


def correct(motion: sc.Motion, **options: Any) -> CorrectedMotion:
    correction = sc.correct(motion, kinematic=True, **options)
    assert correction.accepted, correction.reason
    return correction


def soles_m(motion: sc.Motion, contact: LimbContact) -> np.ndarray:
    """Return a standing sole's corners (F, K, 3).

    The frames are those of the contact.
    """
    seen = level_feet(motion)
    corners_m = world_sole_points(seen.skeleton, *pose_joints(seen))
    return corners_m[contact.frames, sole_points(seen.skeleton).side == contact.foot]


def toes_m(motion: sc.Motion, contact: LimbContact) -> np.ndarray:
    """Return toe tips (F, 2) along x and z during a contact."""
    return soles_m(motion, contact)[:, -2:].mean(axis=1)[:, [0, 2]]


def is_held(motion: sc.Motion, contact: LimbContact) -> bool:
    """Return whether a corner of the sole stays.

    The corner stays from frame to frame, and the lowest corner stays at one height.
    """
    corners_m = soles_m(motion, contact)
    steps_m = np.linalg.norm(np.diff(corners_m[..., [0, 2]], axis=0), axis=-1).min(axis=1)
    lowest_m = corners_m[..., 1].min(axis=1)
    return bool(steps_m.max(initial=0.0) < 0.005 and np.ptp(lowest_m) < 0.02)


def is_noted(correction: CorrectedMotion, contact: LimbContact) -> bool:
    words = [note.words for note in correction.notes if note.kind is NoteKind.CONTACT_MISSED]
    return any(said.startswith(str(contact)) for said in words)


def inner_contact(contacts: Contacts) -> int:
    """Return a contact with half a second around."""
    margin = contacts.fps / 2
    return next(
        index
        for index, contact in enumerate(contacts.contacts)
        if contact.first_frame > margin and contact.last_frame < contacts.frames - margin
    )


def with_contact(contacts: Contacts, index: int, *edited: LimbContact) -> Contacts:
    """The contacts with others in the place of one."""
    others = contacts.contacts[:index], contacts.contacts[index + 1 :]
    return replace(contacts, contacts=(*others[0], *edited, *others[1]))


def move_contact(contact: LimbContact, by_m: float) -> LimbContact:
    assert contact.position_m is not None
    x, y, z = contact.position_m
    return replace(contact, position_m=(x + by_m, y, z))


MOTIONS = {"walk at 60 fps": lambda: make_sunk_motion(60.0, 0.8), "turn": sliding_turn}


@pytest.fixture(scope="module", params=list(MOTIONS))
def motion(request: pytest.FixtureRequest) -> sc.Motion:
    return MOTIONS[request.param]()


@pytest.fixture(scope="module")
def corrected_motion(motion: sc.Motion) -> sc.Motion:
    return correct(motion).motion


@pytest.fixture(scope="module")
def contacts(corrected_motion: sc.Motion) -> Contacts:
    return Contacts.from_motion(corrected_motion)


@pytest.fixture(scope="module")
def edited_contacts(contacts: Contacts) -> Contacts:
    """The contacts, one of which is 12 cm aside."""
    index = inner_contact(contacts)
    return with_contact(contacts, index, move_contact(contacts.contacts[index], 0.12))


def test_file_round_trip(contacts: Contacts, tmp_path: Path) -> None:
    assert {contact.part for contact in contacts.contacts} == {"left foot", "right foot"}
    contacts.save(tmp_path / "walk.contacts.json")
    assert Contacts.load(tmp_path / "walk.contacts.json") == contacts


def draw_edit(data: st.DataObject, contacts: Contacts) -> Contacts:
    """Delete, split, move, shorten or lengthen a contact."""
    index = data.draw(st.integers(0, len(contacts.contacts) - 1))
    contact = contacts.contacts[index]
    middle = (contact.first_frame + contact.last_frame) // 2
    earlier = replace(contact, last_frame=middle - 1)
    later = replace(contact, first_frame=middle + 1)
    aside = move_contact(contact, data.draw(st.sampled_from([-0.05, 0.05])))
    edits = {"delete": (), "split": (earlier, later), "shorten": (later,), "move": (aside,)}
    return with_contact(contacts, index, *edits[data.draw(st.sampled_from(sorted(edits)))])


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_edits_change_nothing_elsewhere(
    motion: sc.Motion, corrected_motion: sc.Motion, contacts: Contacts, data: st.DataObject
) -> None:
    """An edit changes its own contact, and frames near it; without an edit, nothing changes."""
    edited = draw_edit(data, contacts)
    shown = contacts if data.draw(st.booleans(), label="unedited") else edited
    result = correct(motion, contacts=shown).motion
    is_near = np.zeros(len(motion), dtype=bool)
    reach = 2 * round(FADING_S * motion.fps)
    for changed in set(contacts.contacts) ^ set(shown.contacts):
        is_near[max(changed.first_frame - reach, 0) : changed.last_frame + reach + 1] = True
    for neighbour in shown.contacts:
        if is_near[neighbour.frames].any():
            is_near[max(neighbour.first_frame - reach, 0) : neighbour.last_frame + reach + 1] = True
    assert np.array_equal(result.rotations[~is_near], corrected_motion.rotations[~is_near])
    assert np.array_equal(result.root_m[~is_near], corrected_motion.root_m[~is_near])


@pytest.mark.parametrize(("fps", "pace"), [(30.0, 1.0), (60.0, 0.7), (120.0, 1.3)])
@pytest.mark.parametrize("engine", [("--kinematic",), pytest.param((), marks=pytest.mark.slow)])
def test_own_contacts_change_nothing(fps: float, pace: float, engine: tuple[str, ...], tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "walk.bvh", make_sunk_motion(fps, pace))
    words = ["correct", str(tmp_path / "walk.bvh"), *engine, "--workers", "1", "-q"]
    once, repeated = tmp_path / "once.bvh", tmp_path / "repeated.bvh"
    own, own_again = tmp_path / "own.json", tmp_path / "again.json"
    main([*words, "-o", str(once), "--contacts-out", str(own)])
    main([*words, "-o", str(repeated), "--contacts", str(own), "--contacts-out", str(own_again)])
    assert Contacts.load(own).contacts
    assert repeated.read_bytes() == once.read_bytes()
    assert own_again.read_bytes() == own.read_bytes()


def test_edited_contacts_are_written_as_given(edited_contacts: Contacts, motion: sc.Motion, tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "walk.bvh", motion)
    edited_contacts.save(tmp_path / "c.json")
    words = ["correct", str(tmp_path / "walk.bvh"), "--kinematic", "-q", "-o", str(tmp_path / "out.bvh")]
    main([*words, "--contacts", str(tmp_path / "c.json"), "--contacts-out", str(tmp_path / "again.json")])
    assert Contacts.load(tmp_path / "again.json") == edited_contacts


def test_removed_contact_lets_foot_swing() -> None:
    motion = make_sunk_motion()
    planted = correct(motion).motion
    contacts = Contacts.from_motion(planted)
    gone = contacts.contacts[inner_contact(contacts)]
    free = correct(motion, contacts=with_contact(contacts, inner_contact(contacts))).motion
    middle = (gone.last_frame - gone.first_frame) // 2
    rise_m = soles_m(free, gone)[middle, :, 1].mean() - soles_m(planted, gone)[middle, :, 1].mean()
    assert rise_m > 0.003, "a foot that swings keeps clear of the ground"


@pytest.mark.parametrize("longer_s", [2 / 30, 4 / 30, 8 / 30])
def test_lengthened_contact_holds_or_notes(
    motion: sc.Motion, corrected_motion: sc.Motion, contacts: Contacts, longer_s: float
) -> None:
    index = inner_contact(contacts)
    stance = contacts.contacts[index]
    longer = replace(stance, last_frame=stance.last_frame + round(longer_s * motion.fps))
    correction = correct(motion, contacts=with_contact(contacts, index, longer))
    assert is_held(correction.motion, longer) or is_noted(correction, longer)
    assert is_held(correction.motion, stance) or is_noted(correction, longer)
    torn_m = np.linalg.norm(toes_m(correction.motion, stance) - toes_m(corrected_motion, stance), axis=-1)
    assert torn_m.max() < 0.025, "the stance that there was stays where it was"


def test_early_foot_misses_contact(corrected_motion: sc.Motion, contacts: Contacts) -> None:
    """Without the edit, the foot leaves.

    This is the negative control of the test above, by both measures.
    """
    index = inner_contact(contacts)
    stance = contacts.contacts[index]
    longer = replace(stance, last_frame=stance.last_frame + round(8 / 30 * corrected_motion.fps))
    missed = find_missed(
        corrected_motion, with_contact(contacts, index, longer), np.zeros_like(corrected_motion.root_m)
    )
    assert [str(missing.contact) for missing in missed][:1] == [str(longer)]
    assert not is_held(corrected_motion, longer)


def test_foot_moves_to_place(motion: sc.Motion, corrected_motion: sc.Motion, edited_contacts: Contacts) -> None:
    index = inner_contact(edited_contacts)
    contact = edited_contacts.contacts[index]
    correction = correct(motion, contacts=edited_contacts)
    distances_m = toes_m(correction.motion, contact) - toes_m(corrected_motion, contact) - [0.12, 0.0]
    assert np.linalg.norm(distances_m, axis=-1).mean() < 0.02
    assert is_held(correction.motion, contact) or is_noted(correction, contact)


@pytest.mark.parametrize("last", [8, 20])
def test_frames_outside_range_stay(motion: sc.Motion, edited_contacts: Contacts, last: int) -> None:
    correction = correct(motion, contacts=edited_contacts, frames=f"0:{last}")
    assert np.array_equal(correction.motion.root_m[last + 1 :], motion.root_m[last + 1 :])
    assert np.array_equal(correction.motion.rotations[last + 1 :], motion.rotations[last + 1 :])
    moved_contact = edited_contacts.contacts[inner_contact(edited_contacts)]
    assert moved_contact.first_frame <= last or is_noted(correction, moved_contact)


def test_untaken_correction_leaves_nothing(motion: sc.Motion, edited_contacts: Contacts) -> None:
    correction = correct(motion, contacts=edited_contacts, amount=("0=0",))
    assert np.array_equal(correction.motion.rotations, motion.rotations)
    assert np.array_equal(correction.motion.root_m, motion.root_m)
    assert correction.figures["moved_m"] == 0
    assert dict(correction.before) == pytest.approx(dict(correction.after)), "the figures are those of this motion"


def test_kept_feet_are_not_moved(motion: sc.Motion, edited_contacts: Contacts) -> None:
    correction = correct(motion, contacts=edited_contacts, keep=("feet",))
    ankles = [motion.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")]
    off_m = sc.joint_positions(correction.motion, ankles) - sc.joint_positions(motion, ankles)
    assert np.linalg.norm(off_m, axis=-1).max() < 0.002
    assert is_noted(correction, edited_contacts.contacts[inner_contact(edited_contacts)])


def test_figures_compare_final_motion(motion: sc.Motion, edited_contacts: Contacts) -> None:
    correction = correct(motion, contacts=edited_contacts)
    moved_m = np.linalg.norm(sc.joint_positions(correction.motion) - sc.joint_positions(motion), axis=-1).mean()
    assert correction.figures["moved_m"] == pytest.approx(float(moved_m))
    nothing = correct(motion, amount=("0=0",))
    assert correction.before["jerk_m_s3"] == pytest.approx(nothing.after["jerk_m_s3"]), "as that of the given motion"


def test_duplicate_line_counts_once(edited_contacts: Contacts) -> None:
    index = inner_contact(edited_contacts)
    contact = edited_contacts.contacts[index]
    assert with_contact(edited_contacts, index, *[contact] * 100_000) == edited_contacts


def test_overlapping_contacts_raise(contacts: Contacts) -> None:
    last = contacts.frames - 1
    many = [LimbContact("left foot", frame % 30, last, (1e-6 * frame, 0.0, 0.0)) for frame in range(20_000)]
    with pytest.raises(InputError, match="left foot overlap: frames 0"):
        replace(contacts, contacts=tuple(many))
    beside = (LimbContact("left foot", 0, 9), LimbContact("right foot", 5, last), LimbContact("left foot", 10, last))
    assert replace(contacts, contacts=beside).contacts == beside


def test_close_contacts_are_independent(motion: sc.Motion, corrected_motion: sc.Motion, contacts: Contacts) -> None:
    """Close contacts of one foot are independent.

    A stance is cut in two by 0.1 s, and the second part is 8 cm aside.
    """
    index = inner_contact(contacts)
    stance = contacts.contacts[index]
    middle = (stance.first_frame + stance.last_frame) // 2
    gap = round(0.05 * motion.fps)
    first = replace(stance, last_frame=middle - gap)
    second = move_contact(replace(stance, first_frame=middle + gap), 0.08)
    correction = correct(motion, contacts=with_contact(contacts, index, first, second))
    for contact, expected_m in ((first, 0.0), (second, 0.08)):
        aside_m = toes_m(correction.motion, contact) - toes_m(corrected_motion, contact) - [expected_m, 0.0]
        assert np.linalg.norm(aside_m, axis=-1).mean() < 0.015


@pytest.mark.parametrize("by_m", [5.0, -2.0])
def test_unreachable_place_raises(motion: sc.Motion, contacts: Contacts, by_m: float) -> None:
    index = inner_contact(contacts)
    far = with_contact(contacts, index, move_contact(contacts.contacts[index], by_m))
    with pytest.raises(InputError, match=r"position_m.*\d\.\d.*0\.\d+"):
        sc.correct(motion, kinematic=True, contacts=far)


def test_wrong_height_is_noted(motion: sc.Motion, contacts: Contacts) -> None:
    index = inner_contact(contacts)
    stance = contacts.contacts[index]
    assert stance.position_m is not None
    high = replace(stance, position_m=(stance.position_m[0], 0.4, stance.position_m[2]))
    assert is_noted(correct(motion, contacts=with_contact(contacts, index, high)), high)


def test_other_length_raises(motion: sc.Motion, contacts: Contacts) -> None:
    with pytest.raises(InputError, match="frames per second"):
        sc.correct(motion, kinematic=True, contacts=replace(contacts, fps=2 * contacts.fps))
    with pytest.raises(InputError, match=r"contacts.*\b9\b"):
        sc.correct(motion, kinematic=True, contacts=Contacts(9, motion.fps, (LimbContact("left foot", 0, 3),)))
    correct(motion, contacts=replace(contacts, fps=1.001 * contacts.fps))


def test_contacts_are_of_one_motion(
    motion: sc.Motion, contacts: Contacts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingError, match="motion, got 2"):
        sc.correct_motions([motion, motion], kinematic=True, contacts=contacts)
    (tmp_path / "clips").mkdir()
    for name in ("a", "b"):
        sc.save_motion(tmp_path / "clips" / f"{name}.bvh", motion)
    contacts.save(tmp_path / "c.json")
    words = ["correct", str(tmp_path / "clips"), "--kinematic", "--workers", "1", "-o", str(tmp_path / "out")]
    assert main([*words, "--contacts", str(tmp_path / "c.json")]) == 2
    assert "contacts belong to one motion, got 2 files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_rejected_motion_is_unchanged(motion: sc.Motion, contacts: Contacts) -> None:
    short = motion.frames(0, 3)
    few = Contacts(3, motion.fps, (LimbContact("left foot", 0, 2),))
    correction = sc.correct(short, kinematic=True, contacts=few)
    assert not correction.accepted
    assert np.array_equal(correction.motion.rotations, short.rotations)
    assert correction.motion.contacts is None


def test_console_names_worst_miss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    motion = make_sunk_motion()
    contacts = Contacts.from_motion(correct(motion).motion)
    index = inner_contact(contacts)
    stance = contacts.contacts[index]
    longer = replace(stance, last_frame=stance.last_frame + 14)
    with_contact(contacts, index, longer).save(tmp_path / "c.json")
    sc.save_motion(tmp_path / "walk.bvh", motion)
    words = ["correct", str(tmp_path / "walk.bvh"), "--kinematic", "--workers", "1", "-o", str(tmp_path / "out")]
    main([*words, "--contacts", str(tmp_path / "c.json")])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "not held" in line]
    assert line.startswith(f"walk.bvh: 1 contact is not held; {longer}: off by ")
    assert len(line) < 120


def with_kinds(motion: sc.Motion, *contacts: tuple[str, str]) -> Contacts:
    """Contacts of parts and kinds over a whole motion."""
    last = len(motion) - 1
    made = [LimbContact(part, 0, last, kind=kind) for part, kind in contacts]  # type: ignore[arg-type]
    return Contacts(len(motion), motion.fps, tuple(made))


def make_glide(curve_m: float = 0.0, jitter_m: float = 0.0, frames: int = 120) -> sc.Motion:
    """Glide by 2 m as on a board.

    The made-up person stands, in a curve, as on skates; the body shakes.
    """
    standing = made_motion("idle", frames=frames)
    share = np.linspace(0.0, 1.0, frames)
    path_m = np.stack([curve_m * np.sin(np.pi * share), 0 * share, 2.0 * share], axis=1)
    shake_m = np.random.default_rng(0).normal(0.0, jitter_m, (frames, 3)) * [1.0, 0.0, 1.0]
    return replace(standing, root_m=standing.root_m + path_m + shake_m)


@pytest.mark.parametrize("engine", [{"kinematic": True}, {"engine": "mujoco"}])
def test_riding_feet_keep_path(engine: dict[str, Any]) -> None:
    motion = make_glide(jitter_m=0.004)
    contacts = with_kinds(motion, ("left foot", "rides"), ("right foot", "rides"))
    correction = sc.correct(motion, contacts=contacts, **engine)
    assert correction.accepted
    drift = {NoteKind.GLIDE_REMOVED, NoteKind.DRIFT_KEPT}
    assert not drift & {note.kind for note in correction.notes}
    way_m = correction.motion.root_m[-1] - correction.motion.root_m[0]
    assert way_m == pytest.approx([0.0, 0.0, 2.0], abs=0.03)
    ankles = [motion.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")]
    shaken_m, calm_m = (np.diff(sc.joint_positions(each, ankles), 2, axis=0) for each in (motion, correction.motion))
    assert np.abs(calm_m).mean() < 0.2 * np.abs(shaken_m).mean()
    alone = sc.correct(motion, **engine)
    assert drift & {note.kind for note in alone.notes}, "without the file of contacts it is drift"


def test_sliding_feet_are_no_drift() -> None:
    """A skater's curve: 0.4 m aside."""
    motion = make_glide(curve_m=0.4)
    sunk = replace(motion, root_m=motion.root_m - [0.0, 0.02, 0.0])
    contacts = with_kinds(motion, ("left foot", "slides"), ("right foot", "slides"))
    correction = correct(sunk, contacts=contacts)
    away_m = correction.motion.root_m - motion.root_m
    assert np.abs(away_m[:, [0, 2]]).max() < 0.02
    for contact in contacts.contacts:
        assert np.abs(soles_m(correction.motion, contact)[..., 1].min(axis=1)).max() < 0.01
    planted = correct(sunk, contacts=with_kinds(motion, ("left foot", "stands"), ("right foot", "stands")))
    assert np.linalg.norm(planted.motion.root_m - motion.root_m, axis=1).max() > 0.1, "the control"


def test_pushing_foot_stands_in_world() -> None:
    motion = make_glide()
    left = LimbContact("left foot", 0, 119, kind="rides")
    right = LimbContact("right foot", 50, 58)
    correction = correct(motion, contacts=Contacts(120, motion.fps, (left, right)))
    assert np.linalg.norm(np.ptp(toes_m(correction.motion, right), axis=0)) < 0.02 or is_noted(correction, right)
    ride_m = toes_m(correction.motion, left) - toes_m(motion, left)
    assert np.ptp(ride_m, axis=0) == pytest.approx([0.0, 0.0], abs=0.02)


def test_hand_stays_in_place(motion: sc.Motion, contacts: Contacts) -> None:
    wrist = motion.skeleton.parts.index("left_wrist")
    last = len(motion) - 1
    hand = LimbContact("left hand", last // 2, last // 2 + 5)
    given = replace(contacts, contacts=(*contacts.contacts, hand))
    correction = correct(motion, contacts=given)
    places_m = sc.joint_positions(correction.motion, [wrist])[hand.frames, 0]
    assert np.ptp(places_m, axis=0).max() < 0.005 or is_noted(correction, hand)
    aside_m = places_m.mean(axis=0) + np.array([0.0, 0.06, 0.0])
    moved = replace(contacts, contacts=(*contacts.contacts, replace(hand, position_m=tuple(aside_m))))
    reached_m = sc.joint_positions(correct(motion, contacts=moved).motion, [wrist])[hand.frames, 0]
    assert np.abs(reached_m - aside_m).max() < HOLDING_TOLERANCE_M
    far = replace(hand, position_m=tuple(aside_m + np.array([0.0, 0.5, 1.0])))
    noted = correct(motion, contacts=replace(contacts, contacts=(*contacts.contacts, far))).notes
    assert any(str(note).startswith("the body moved by up to ") for note in noted)
    with pytest.raises(InputError, match="from the shoulder"):
        correct(motion, contacts=replace(given, contacts=(replace(hand, position_m=(50.0, 1.0, 0.0)),)))


def test_left_hand_does_not_drag_body(motion: sc.Motion) -> None:
    """A left-behind hand does not drag the body.

    The body walks further than the hand can give way.
    """
    speed_m_s = np.array([0.0, 0.0, 4.0])
    walk = replace(motion, root_m=motion.root_m + np.outer(np.arange(len(motion)) / motion.fps, speed_m_s))
    last = len(walk) - 1
    hand = LimbContact("left hand", 0, last)
    correction = correct(walk, contacts=Contacts(len(walk), walk.fps, (hand,)))
    free = correct(walk, contacts=Contacts(len(walk), walk.fps, ()))
    away_m = np.linalg.norm(walk.root_m[-1] - walk.root_m[0]) / 2
    dragged_m = np.linalg.norm(correction.motion.root_m - free.motion.root_m, axis=1).max()
    assert dragged_m < 1.0 < away_m - 1.0
    assert is_noted(correction, hand)


@pytest.mark.parametrize(
    ("contact", "why"),
    [
        ({"part": "left hand", "kind": "rides"}, "only feet can be of kind rides"),
        ({"part": "left foot", "kind": "flies"}, "kind of a contact must be one of stands, slides, rides, got 'flies'"),
        ({"part": "left foot", "kind": "slides", "position_m": (0.0, 0.0, 0.0)}, "has no position_m"),
    ],
)
def test_impossible_kind_raises(contact: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        LimbContact(first_frame=0, last_frame=3, **contact)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ('{"frames": 9, "fps": 30, "contacts": [{"part": "left foot", "first_frame": 3, "last_frame": 9}]}', "0 to 8"),
        ('{"frames": 9, "fps": 30, "contacts": [{"part": "tail", "first_frame": 3, "last_frame": 4}]}', "part"),
        ('{"frames": 9}', "fps is missing"),
        ('{"frames": 9, "fps": 0}', "a positive fps"),
        ("{", "not JSON"),
    ],
)
def test_other_file_raises(tmp_path: Path, wrong: str, why: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(wrong)
    with pytest.raises(InputError, match=rf"wrong\.json.*{why}"):
        Contacts.load(path)
