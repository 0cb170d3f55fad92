"""What the core imports: a loop needs no file format of any store, and a general model no diffusion."""

import pytest
from helpers import modules_after

HEAVY = {"pyarrow", "safetensors", "pybullet", "mujoco", "wandb", "matplotlib", "selfcorrect.storage.folder_store"}


@pytest.mark.parametrize("module", ["selfcorrect.loop", "selfcorrect.storage.memory", "selfcorrect.testing"])
def test_a_loop_in_memory_loads_no_storage_library_and_no_engine(module: str):
    assert modules_after(f"import {module}") & HEAVY == set()


def test_the_folder_store_does():
    assert "pyarrow" in modules_after("import selfcorrect.storage.folder_store")
