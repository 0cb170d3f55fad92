"""A session on a spoiled walk, and its server."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

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
