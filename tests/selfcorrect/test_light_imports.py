"""What imports leave out: each line of program needs one module, and must not load others."""

from pathlib import Path

import pytest
from helpers import modules_after

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.geometry.compiled import KERNELS
from selfcorrect.motion.motion import Motion

HEAVY = {"torch", "pybullet", "mujoco", "scipy", "numpy", "matplotlib", "pyarrow", "PIL"}
STORES = {"pyarrow", "safetensors", "pybullet", "mujoco", "wandb", "matplotlib"}
MODELS = "selfcorrect.models"
STUDIES = "selfcorrect.experiments.studies"
LOADED = {
    "import selfcorrect; assert selfcorrect.__version__": ("selfcorrect", HEAVY),
    "import selfcorrect as sc; sc.load_motion": ("selfcorrect.datasets.load", {"torch", "pybullet", "matplotlib"}),
    "import selfcorrect.loop.run, selfcorrect.storage.runs.memory, selfcorrect.testing": (
        "selfcorrect.testing", {*STORES, "selfcorrect.storage.runs.folder_store"}
    ),
    "import selfcorrect.storage.runs.folder_store": ("pyarrow", {"wandb"}),
    f"import {MODELS}.network": (f"{MODELS}.network", {"selfcorrect.models.diffusion"}),
    f"import {STUDIES}.summary, {STUDIES}.figures, {STUDIES}.verdict": (
        f"{STUDIES}.verdict", {"selfcorrect.experiments.motion", "selfcorrect.loop.run", "pybullet"}
    ),
    "import selfcorrect.experiments.motion.correctors.table, selfcorrect.models.diffusion.presets": (
        "selfcorrect.models.diffusion.presets", {"torch", "numpy", "pybullet", "tqdm"}
    ),
    "import selfcorrect.experiments.file_correction.batch": (
        "selfcorrect.simulators.batching", {"torch", "selfcorrect.simulators.tracking"}
    ),
    "import selfcorrect.experiments.data.verification": (
        "selfcorrect.experiments.data.verification", {"torch", "pyarrow"}
    ),
    "from selfcorrect.experiments.cli import main; main(['motion', '--corrector', 'none', '--dry-run'])": (
        "selfcorrect.experiments.motion.presets", {"torch", "pybullet", "mujoco", "matplotlib"}
    ),
    "import selfcorrect.pytest_plugin": ("selfcorrect.pytest_plugin", {"torch", "numpy", "scipy"}),
}  # fmt: skip
"""By the program: a module that it needs, and what it must not load."""


@pytest.mark.parametrize("program", LOADED)
def test_nothing_is_loaded_before_it_is_needed(program: str) -> None:
    needed, refused = LOADED[program]
    loaded = modules_after(program)
    assert needed in loaded
    assert loaded & refused == set()


@pytest.mark.parametrize(("option", "is_simulated"), [("--simulate=always", True), ("--kinematic", False)])
def test_an_engine_is_loaded_only_if_something_is_simulated(
    option: str, is_simulated: bool, stepping: Motion, tmp_path: Path
) -> None:
    source = tmp_path / "steps.bvh"
    save_motion(source, stepping)
    words = ["correct", str(source), option, "--out", str(tmp_path / "out"), "-q"]
    loaded = modules_after(f"from selfcorrect.experiments.cli import main; main({words!r})")
    assert "selfcorrect.simulators.pipeline" in loaded
    assert bool(loaded & {"mujoco", "pybullet"}) == is_simulated
    assert "typeguard" not in loaded  # which checks the options' default values, and takes long to load
    if KERNELS is not None and not is_simulated:  # SciPy takes longer to load than a short clip takes
        assert "scipy" not in loaded
