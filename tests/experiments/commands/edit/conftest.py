"""A session on a sunk walk, and its server."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import load_clips

import selfcorrect as sc
from selfcorrect.experiments.commands.correct.options import CorrectionOptions
from selfcorrect.experiments.commands.edit.server import EditServer
from selfcorrect.experiments.commands.edit.session import EditSession
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A walk of three cycles, 5 cm below the floor."""
    motion = repeat_cycle(close_cycle(load_clips()["walk"]), 3)
    path = tmp_path / "walk.bvh"
    sc.save_motion(path, sc.Motion(motion.skeleton, motion.root_m - [0.0, 0.05, 0.0], motion.rotations, motion.fps))
    return path


@pytest.fixture
def session(walk: Path) -> EditSession:
    out, contacts = walk.with_name("edited.bvh"), walk.with_name("contacts.json")
    return EditSession(walk, CorrectionOptions(kinematic=True), out, contacts)


@pytest.fixture
def server(session: EditSession) -> Iterator[EditServer]:
    with EditServer(session) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
