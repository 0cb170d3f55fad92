"""Commands replace what an earlier run wrote, and other files only if asked."""

from pathlib import Path

import pytest
from helpers import Says
from made_motions import made_motion

from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import save_motion

FOREIGN = b"somebody's only copy"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_motion(Path("a.bvh"), made_motion("idle", 0.0, frames=12))
    return tmp_path


COMMANDS = {
    "view": (["view", "a.bvh", "--out", "out.png"], "out.png"),
    "view film": (["view", "a.bvh", "--out", "out.gif"], "out.gif"),
    "data convert": (["data", "convert", "a.bvh", "--to", "amass", "--out", "."], "a.npz"),
    "check": (["check", "a.bvh", "-o", "found.txt"], "found.txt"),
    "check picture": (["check", "a.bvh", "--picture", "worst.png"], "worst.png"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_overwrite_is_required(name: str, says: Says) -> None:
    words, written = COMMANDS[name]
    Path(written).write_bytes(FOREIGN)
    assert f"selfcorrect: {written}: exists" in says(*words, code=2)
    assert Path(written).read_bytes() == FOREIGN
    assert main([*words, "--overwrite"]) in (0, 1)
    assert Path(written).read_bytes() != FOREIGN


STREAMED = {
    "check": ["check", "a.bvh", "-o"],
    "contacts": ["correct", "a.bvh", "--kinematic", "--contacts-out"],
    "delta": ["correct", "a.bvh", "--kinematic", "--delta"],
}


@pytest.mark.parametrize("name", STREAMED)
def test_text_appends_to_stdout(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The standard output is a file here, as after `> file`."""
    print("earlier", flush=True)
    assert main([*STREAMED[name], "/dev/stdout"]) in (0, 1)
    first = capfd.readouterr().out
    assert first.startswith("earlier\n")
    assert first.count("\n") > 1
    assert main([*STREAMED[name], "regular.txt"]) in (0, 1)
    lines = Path("regular.txt").read_text().splitlines()
    assert lines[len(lines) // 2] in first


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_a_device_stays_a_device(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "a.bvh", "-o", "/dev/full"]) == 2
    assert capfd.readouterr().err == "selfcorrect: no space left on device\n"
    assert Path("/dev/full").is_char_device()


@pytest.mark.slow
def test_sample_layouts_are_correctable(tmp_path: Path, says: Says) -> None:
    commands = says("data samples --out", tmp_path / "samples").splitlines()
    sample_names = {path.name for path in (tmp_path / "samples").iterdir()}
    assert {"kimodo.npz", "amass.npz", "mdm.npy", "motionstreamer.npy"} <= sample_names
    assert len(commands) == len(sample_names)
    for command in commands:
        _, _, path, *options = command.split()
        assert main(["data", "check", path, *options[:-2]]) in (0, None)
    assert main(["data", "samples", "--out", str(tmp_path / "samples")]) == 2
