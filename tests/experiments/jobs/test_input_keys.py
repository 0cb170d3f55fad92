"""An input's key changes with all that its result depends on, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_motions import made_motion

import selfcorrect as sc
from selfcorrect.experiments.jobs import input_keys
from selfcorrect.experiments.jobs.input_keys import list_code, make_input_key


def test_key_covers_all_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code.py"
    source = tmp_path / "a.bvh"
    named = tmp_path / "ground.json"
    monkeypatch.setattr(input_keys, "list_code", lambda: {"code.py": code})

    def make_key(setting: int = 1) -> str:
        input_keys.digest_software.cache_clear()
        return make_input_key(source, {"setting": setting}, [named, None])

    for path in (code, source, named):
        path.write_text("one")
    keys = [make_key(), make_key(setting=2)]
    assert make_key() == keys[0]
    for path in (code, source, named):
        path.write_text("another one")
        keys.append(make_key())
    assert len(set(keys)) == len(keys)
    input_keys.digest_software.cache_clear()


LOADED = """
import json, sys
from selfcorrect.commands.cli import main
assert main(["correct", "a.bvh", "-o", "out", "--engine", "mujoco", "--workers", "1"]) in (0, 1)
files = {name: module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "selfcorrect"}
print(json.dumps(files))
"""


@pytest.mark.slow
def test_key_covers_loaded_modules(tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "a.bvh", made_motion("walk"))
    words = [sys.executable, "-c", LOADED]
    output = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    loaded = json.loads(output.splitlines()[-1])
    assert len(loaded) > 100
    assert set(loaded.values()) <= set(map(str, list_code().values()))
