"""What the core imports: a loop needs no file format of any store, and a general model no diffusion."""

from helpers import modules_after

HEAVY = {"pyarrow", "safetensors", "pybullet", "mujoco", "wandb", "matplotlib", "selfcorrect.storage.runs.folder_store"}


def test_a_loop_in_memory_loads_no_storage_library_and_no_engine():
    loops = "selfcorrect.loop.run, selfcorrect.storage.runs.memory, selfcorrect.testing"
    assert modules_after(f"import {loops}") & HEAVY == set()


def test_the_folder_store_does():
    assert "pyarrow" in modules_after("import selfcorrect.storage.runs.folder_store")


def test_general_models_load_no_diffusion():
    models = (f"selfcorrect.models.{name}" for name in ("flow", "gan", "vae", "language", "kernel_density"))
    assert "selfcorrect.models.diffusion" not in modules_after(f"import {', '.join(models)}")


def test_reporting_loads_no_experiment():
    pages = (f"selfcorrect.experiments.reporting.{name}" for name in ("webpage", "figures", "verdict", "units"))
    loaded = modules_after(f"import {', '.join(pages)}")
    assert loaded & {"selfcorrect.experiments.motion", "selfcorrect.loop.run", "pybullet"} == set()


def test_tables_are_read_without_what_they_name():
    tables = "selfcorrect.experiments.motion.correctors.table, selfcorrect.models.diffusion.presets"
    assert modules_after(f"import {tables}") & {"torch", "numpy", "pybullet", "tqdm"} == set()
