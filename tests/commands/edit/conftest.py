"""A session on a spoiled walk, and its server."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_motions import made_motion

import selfcorrect as sc
from selfcorrect.commands.correct.demonstration import spoiled_walk
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.commands.edit.server import EditServer
from selfcorrect.commands.edit.session import EditSession


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A walk that sinks, slides and shakes."""
    path = tmp_path / "walk.bvh"
    sc.save_motion(path, spoiled_walk())
    return path


@pytest.fixture
def session(walk: Path) -> EditSession:
    return open_session(walk)


def open_session(path: Path) -> EditSession:
    out, contacts = path.with_name("edited.bvh"), path.with_name("contacts.json")
    return EditSession(path, CorrectionOptions(kinematic=True), out, contacts)


@pytest.fixture
def session_with_toes(tmp_path: Path) -> EditSession:
    """A session on a sunken walk with toe joints.

    Heels and toes have bars of their own.
    """
    walk = made_motion("walk", frames=120)
    sc.save_motion(tmp_path / "toes.bvh", replace(walk, root_m=walk.root_m - [0.0, 0.04, 0.0]))
    return open_session(tmp_path / "toes.bvh")


@pytest.fixture
def server(session: EditSession) -> Iterator[EditServer]:
    yield from serve(session)


@pytest.fixture
def server_with_toes(session_with_toes: EditSession) -> Iterator[EditServer]:
    yield from serve(session_with_toes)


def serve(session: EditSession) -> Iterator[EditServer]:
    with EditServer(session) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
