"""`selfcorrect curate` on the command line: the page that it writes."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import lifting_off

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.experiments import cli


def test_a_page_is_written_once_and_names_its_rater(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for depth_m in (0.0, 0.1):
        motion = lifting_off()
        save_motion(tmp_path / f"{depth_m}.bvh", replace(motion, root_m=motion.root_m - [0.0, depth_m, 0.0]))
    command = ["curate", "0.0.bvh", "0.1.bvh", "--rater", "ada & co"]
    assert cli.main(command) == 0
    page = (tmp_path / "curate-ada---co.html").read_text()
    assert '"rater": "ada & co"' in page
    assert cli.main(command) == 2
    assert cli.main([*command, "--overwrite", "--question", "Which one slides less?"]) == 0
    assert "Which one slides less?" in (tmp_path / "curate-ada---co.html").read_text()
