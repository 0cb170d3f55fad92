"""Run folders of earlier versions, with their keys and names: they resume, grow, and refuse what differs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import selfcorrect as sc
from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.randomness import Stream
from selfcorrect.experiments.jobs.identities import IdentityFile, identity_of_data
from selfcorrect.storage.files.digests import encode_sealed, read_sealed

LOOP = sc.Arm(sc.Augment(1.0), 2)


def halve(samples: sc.Samples) -> sc.Samples:
    return samples.with_values(0.5 * samples.values)


def measure_spread(candidate: sc.Candidate) -> dict[str, float]:
    return {"spread": float(candidate.samples(50).values.std())}


def measure_nothing(candidate: sc.Candidate) -> dict[str, float]:
    return {"spread": 0.0}


def own_task(stream: Stream) -> sc.Task:
    real = sc.Samples.real(torch.randn((30, 2), generator=stream.child("data").generator(), dtype=torch.float64))
    return sc.Task(sc.Gaussian.standard(2), real, measure_spread)


TASK = own_task(sc.streams(0))
ARMS = {"plain": LOOP, "corrected": replace(LOOP, correction=sc.Correction(halve, 1.0))}


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A finished run of one seed whose files are rewritten as earlier versions wrote them."""
    folder = tmp_path / "old"
    sc.compare(TASK, ARMS, seeds=1, workers=1, out=folder)
    renamed_settings = 0
    for path in folder.rglob("config.json"):
        config = read_sealed(path)
        if "settings" in config:
            config["plan"] = config.pop("settings")
            renamed_settings += 1
        path.write_text(json.dumps(config, indent=1) + "\n")
    assert renamed_settings == len(ARMS)
    identities = {rename_identity(name): versions for name, versions in read_sealed(folder / "identities.json").items()}
    assert "the judge of task 'task'" in identities
    assert any("of plan 'corrected'" in name for name in identities)
    (folder / "identities.json").write_bytes(encode_sealed(identities))
    return folder


def rename_identity(name: str) -> str:
    return name.replace("the evaluation of task", "the judge of task").replace("of arm '", "of plan '")


def read_generations(folder: Path) -> Mapping[str, tuple[bytes, int]]:
    """Return content and time of each file that a generation of seed 0 left, by its place."""
    paths = [path for path in folder.rglob("generation-*/*") if path.is_file() and "seed-0" in path.parts]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_a_folder_of_an_earlier_version_resumes_and_grows(old_run: Path, tmp_path: Path) -> None:
    generations = read_generations(old_run)
    assert generations
    grown = sc.compare(TASK, ARMS, seeds=2, workers=1, out=old_run)
    assert read_generations(old_run) == generations, "seed 0 was run again"
    current = sc.compare(TASK, ARMS, seeds=2, workers=1, out=tmp_path / "current")
    columns = ["arm", "seed", "generation", "gamma", "spread"]
    assert grown.to_frame()[columns].equals(current.to_frame()[columns])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tasks": replace(TASK, evaluate=measure_nothing)}, r"the evaluation of task 'task' is not the one"),
        (
            {"arms": {**ARMS, "corrected": replace(LOOP, correction=sc.Correction(halve, 2.0))}},
            r"settings\.correction\.strength is 1\.0 in the folder and 2\.0 now",
        ),
    ],
)
def test_a_folder_of_an_earlier_version_refuses_what_differs(
    changes: Mapping[str, Any], sentence: str, old_run: Path
) -> None:
    with pytest.raises(RunFolderError, match=sentence):
        sc.compare(**{"tasks": TASK, "arms": ARMS, **changes}, seeds=2, workers=1, out=old_run)


def test_reference_data_are_known_by_their_name_of_earlier_versions(tmp_path: Path) -> None:
    data = identity_of_data(TASK.real)
    path = tmp_path / "identities.json"
    path.write_bytes(encode_sealed({"what seed 3 is judged against": [data.to_json()]}))
    current = "what seed 3 is compared against"
    IdentityFile(path, "--accept-changed").record({current: data}, accept_changed=False)
    assert list(read_sealed(path)) == [current]
    other = identity_of_data(TASK.real.with_values(TASK.real.values + 1))
    with pytest.raises(RunFolderError, match=current):
        IdentityFile(path, "--accept-changed").record({current: other}, accept_changed=False)
