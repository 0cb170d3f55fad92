"""Sessions correct again what was edited, and save what the command line writes."""

import base64
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.commands.correct.show import show
from selfcorrect.commands.edit.session import EditSession
from selfcorrect.commands.edit.state import EditState, EditStrength, UntouchedRange
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.pictures.player import PlayerPage
from selfcorrect.motion.pictures.timeline import FrameErrors
from selfcorrect.simulators.planning.edited_contacts import Contacts


def lengthen(session: EditSession, by: int = 6) -> Contacts:
    """The contacts of the correction, the second of which is longer."""
    own = session.correct(EditState())["timeline"]["contacts"]
    contacts = Contacts.from_motion(sc.correct(session.before, kinematic=True).motion)
    assert own["frames"] == contacts.frames
    second = contacts.contacts[1]
    others = (contacts.contacts[0], replace(second, last_frame=second.last_frame + by), *contacts.contacts[2:])
    return replace(contacts, contacts=others)


@pytest.mark.slow
@pytest.mark.parametrize("strength", ["kinematic", "balanced"])
def test_saved_file_is_that_of_the_command_line(
    session: EditSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, strength: EditStrength
) -> None:
    state = EditState(strength, 0.8, untouched=(UntouchedRange(80, 90),), contacts=lengthen(session), floor_m=-0.05)
    session.correct(EditState())
    command = session.correct(state)["command"]
    saved, contacts_file = session.save(state)
    edited = saved.read_bytes()
    assert Contacts.load(contacts_file) == state.contacts
    again = tmp_path / "again.bvh"
    words = shlex.split(command.replace(str(saved), str(again)))
    monkeypatch.chdir(tmp_path)
    main([*words[1:], "-q", "--workers", "1"])
    assert again.read_bytes() == edited
    assert session.save(state)[0].read_bytes() == edited, "a session replaces its own files"


def test_save_never_replaces_other_files(session: EditSession) -> None:
    session.out.write_text("mine")
    with pytest.raises(SettingError, match="exists"):
        session.save(EditState())
    assert session.out.read_text() == "mine"


def test_answers_hold_only_changed_frames(session: EditSession) -> None:
    session.render()
    assert session.correct(EditState())["piece"] is None
    shown = session._shown
    answer = session.correct(EditState(contacts=lengthen(session)))
    assert shown is not None
    assert session._shown is not None
    changed = np.flatnonzero((shown.rotations != session._shown.rotations).any(axis=(1, 2)))
    root = np.frombuffer(base64.b64decode(answer["piece"]["root"]), "<f4").reshape(-1, 3)
    assert answer["piece"]["first"] <= changed[0]
    assert changed[-1] < answer["piece"]["first"] + len(root) < len(shown)
    assert root == pytest.approx(session._shown.root_m[answer["piece"]["first"] :][: len(root)], abs=1e-6)


def test_errors_of_pieces_are_those_of_the_whole(session: EditSession) -> None:
    session.render()
    session.correct(EditState(contacts=lengthen(session)))
    assert session._shown is not None
    whole = FrameErrors.from_motion(session._shown)
    assert whole is not None
    assert session._errors is not None
    assert session._errors.slip.figures == whole.slip.figures
    for name in ("heights_m", "knee_speeds_deg_s", "jerks_m_s3"):
        np.testing.assert_allclose(getattr(session._errors, name), getattr(whole, name), atol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind", ["session", "session_with_toes"])
def test_view_shows_the_bars_of_edit(kind: str, request: pytest.FixtureRequest) -> None:
    session: EditSession = request.getfixturevalue(kind)
    corrected = sc.correct(session.before, kinematic=True)
    edited, viewed = map(read_scene, (session.render(), show(session.before, corrected)))
    for key in ("lanes", "contacts", "slips_mm"):
        assert viewed["timeline"][key] == edited["timeline"][key], key


def read_scene(page: PlayerPage) -> dict[str, Any]:
    """Read what a page draws."""
    return json.loads(page.html.split('id="scene" type="application/json">')[1].split("</script>")[0])


def test_reach_is_checked(session: EditSession) -> None:
    contacts = lengthen(session, by=0)
    far = replace(contacts.contacts[0], position_m=(9.0, 0.0, 9.0))
    with pytest.raises(InputError, match="position_m"):
        session.correct(EditState(contacts=replace(contacts, contacts=(far, *contacts.contacts[1:]))))
