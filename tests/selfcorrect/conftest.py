"""Fixture that the tests of the core share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def sync_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a log of the names of files and folders synced to disk, with "rename" for each rename."""
    log: list[str] = []
    fsync = os.fsync
    replace = os.replace

    def noted_fsync(descriptor: int) -> None:
        log.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        log.append("rename")
        replace(source, target)

    monkeypatch.setattr("os.fsync", noted_fsync)
    monkeypatch.setattr("os.replace", noted_replace)
    return log
