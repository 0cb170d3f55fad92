"""What the core imports: a loop needs no file format of any store, and a general model no diffusion."""

import subprocess
import sys

import pytest

HEAVY = ("pyarrow", "safetensors", "pybullet", "mujoco", "wandb", "matplotlib", "selfcorrect.storage.folder_store")


@pytest.mark.parametrize("module", ["selfcorrect.loop", "selfcorrect.storage.memory", "selfcorrect.testing"])
def test_a_loop_in_memory_loads_no_storage_library_and_no_engine(module: str):
    assert loaded_by(module, HEAVY) == []


def test_the_folder_store_does():
    assert "pyarrow" in loaded_by("selfcorrect.storage.folder_store", HEAVY)


def loaded_by(module: str, names: tuple[str, ...]) -> list[str]:
    """Which of `names` a fresh interpreter has loaded after importing `module`."""
    code = f"import sys, {module}; print(*(name for name in {names!r} if name in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
