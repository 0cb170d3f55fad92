"""Run folders: sole use, one config, nothing half-written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from selfcorrect.core.errors import RunFolderError, SettingError
from selfcorrect.loop.store.run_folder import claim_folder, config_differences
from selfcorrect.runtime.software import describe_environment
from selfcorrect.storage.files.digests import encode_with_digest, read_with_digest

CONFIG = {"steps": 75, "policy": "augment:0.5", "data": {"fingerprint": "ab12", "clips": ["walk", "run"]}}


def test_new_folder_records_environment(tmp_path: Path):
    claim_folder(tmp_path / "runs" / "one", CONFIG).release()
    assert read_with_digest(tmp_path / "runs/one/config.json") == CONFIG
    recorded = read_with_digest(tmp_path / "runs/one/environment.json")
    assert recorded["packages"]["torch"] == torch.__version__
    assert recorded["python"] == sys.version.split()[0]


def test_environment_names_commit():
    repository = Path(__file__).resolve().parents[4]
    head = subprocess.run(["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        pytest.skip("not a git checkout")
    describe_environment.cache_clear()
    assert describe_environment()["git_commit"] == head.stdout.strip()


def test_settings_compare_by_item():
    recorded = {"arms": [{"policy": "replace", "strength": 1.0}]}
    assert config_differences(recorded, {"arms": [{"strength": 1.0, "policy": "replace"}]}) == []
    changed = {"arms": [{"strength": 2.0, "policy": "replace"}]}
    assert config_differences(recorded, changed) == ["arms.0.strength is 1.0 in the folder and 2.0 now."]


def test_other_config_raises(tmp_path: Path):
    claim_folder(tmp_path, CONFIG).release()
    other_config = {"steps": 20, "policy": "augment:0.5", "data": {"clips": ["walk", "run"]}, "seed": 1}
    with pytest.raises(RunFolderError) as caught:
        claim_folder(tmp_path, other_config)
    assert "steps is 75 in the folder and 20 now." in str(caught.value)
    assert 'data.fingerprint is "ab12" in the folder and not set now.' in str(caught.value)
    assert "seed is not set in the folder and 1 now." in str(caught.value)
    assert "policy" not in str(caught.value)
    claim_folder(tmp_path, CONFIG).release()


@pytest.mark.parametrize("recorded", ["0.2.0", "0.4.9", "12.0", None, 3, [1]])
def test_run_of_another_version_names_it(tmp_path: Path, recorded: object) -> None:
    claim_folder(tmp_path, CONFIG).release()
    environment = read_with_digest(tmp_path / "environment.json")
    environment["packages"]["selfcorrect"] = recorded
    (tmp_path / "environment.json").write_bytes(encode_with_digest(environment))
    with pytest.raises(RunFolderError, match="another configuration") as refusal:
        claim_folder(tmp_path, {**CONFIG, "steps": 76})
    is_version = isinstance(recorded, str)
    assert (f"selfcorrect {recorded}" in str(refusal.value)) == is_version
    current = describe_environment()["packages"]["selfcorrect"]
    assert (current in str(refusal.value)) == is_version


def test_many_differences_are_counted(tmp_path: Path):
    claim_folder(tmp_path, {"arms": [{"seed": seed} for seed in range(20)], "steps": 75}).release()
    with pytest.raises(RunFolderError) as refusal:
        claim_folder(tmp_path, {"arms": [{"seed": seed + 1} for seed in range(20)], "steps": 76})
    assert "another configuration. steps is 75 in the folder and 76 now." in str(refusal.value)
    assert "13 more settings differ." in str(refusal.value)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b'"text"', b"[" * 100_000])
def test_damaged_config_raises(tmp_path: Path, content: bytes) -> None:
    claim_folder(tmp_path, CONFIG).release()
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"config\.json is damaged"):
        claim_folder(tmp_path, CONFIG)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", None])
def test_damaged_environment_warns(tmp_path: Path, content: bytes | None) -> None:
    claim_folder(tmp_path, CONFIG).release()
    if content is None:
        (tmp_path / "environment.json").unlink()
    else:
        (tmp_path / "environment.json").write_bytes(content)
    with pytest.warns(UserWarning, match="record of the environment"):
        claim_folder(tmp_path, CONFIG).release()


def test_another_environment_is_a_warning(tmp_path: Path):
    claim_folder(tmp_path, CONFIG).release()
    path = tmp_path / "environment.json"
    path.write_bytes(encode_with_digest({**read_with_digest(path), "packages": {"torch": "1.0.0"}}))
    with pytest.warns(UserWarning, match=r'packages.torch is "1.0.0"'):
        claim_folder(tmp_path, CONFIG).release()


def refuse(code: int):
    def failing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return failing


@pytest.mark.parametrize(
    ("code", "reason"), [(errno.EROFS, "Read-only file system"), (errno.EACCES, "Permission denied")]
)
def test_impossible_folder_raises(tmp_path, monkeypatch, code: int, reason: str):
    monkeypatch.setattr("os.mkdir", refuse(code))
    with pytest.raises(RunFolderError, match=rf"cannot write to .*new: {reason}"):
        claim_folder(tmp_path / "new", CONFIG)


def test_config_has_room_for_digest(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="sha256"):
        claim_folder(tmp_path, {"sha256": 3})
