"""Each line of the program loads only the modules that it needs."""

from pathlib import Path

import pytest
from helpers import modules_after, modules_after_each

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.geometry.compiled import KERNELS
from selfcorrect.motion.motion import Motion

HEAVY = {"torch", "pybullet", "mujoco", "scipy", "numpy", "matplotlib", "pyarrow", "PIL"}
STORES = {"pyarrow", "safetensors", "pybullet", "mujoco", "wandb", "matplotlib"}
MODELS = "selfcorrect.loop.models"
STUDIES = "selfcorrect.experiments.studies"
# fmt: off
BASE = {
    "import selfcorrect; assert selfcorrect.__version__": ("selfcorrect", HEAVY),
    "import selfcorrect.pytest_plugin": ("selfcorrect.pytest_plugin", {"torch", "numpy", "scipy"}),
    "import selfcorrect.experiments.studies.motion.correctors.table, selfcorrect.loop.models.diffusion.presets": (
        "selfcorrect.loop.models.diffusion.presets", {"torch", "numpy", "pybullet", "tqdm"}
    ),
    "import selfcorrect as sc; sc.load_motion": ("selfcorrect.datasets.load", {"torch", "pybullet", "matplotlib"}),
    "import selfcorrect.simulators.corrector, selfcorrect.commands.correct.correct_file": (  # in workers
        "selfcorrect.simulators.corrector", {"tyro", "torch", "scipy.stats"}
    ),
    "from selfcorrect.commands.cli import main; main(['motion', '--corrector', 'none', '--dry-run'])": (
        "selfcorrect.experiments.studies.motion.presets", {"torch", "pybullet", "mujoco", "matplotlib"}
    ),
    "import selfcorrect.commands.verification": (
        "selfcorrect.commands.verification", {"torch", "pyarrow"}
    ),
    "import selfcorrect.commands.correct.batch": (
        "selfcorrect.simulators.batching", {"torch"}
    ),
}
LOOPS = {
    f"import {MODELS}.network": (f"{MODELS}.network", {"selfcorrect.loop.models.diffusion"}),
    "import selfcorrect.loop.run, selfcorrect.loop.store.memory, selfcorrect.testing": (
        "selfcorrect.testing", {*STORES, "selfcorrect.loop.store.folder_store"}
    ),
    "import selfcorrect.loop.store.folder_store": ("pyarrow", {"wandb"}),
    # Training does not load the compiler.
    "import selfcorrect as sc, torch; "
    "from selfcorrect.loop.models.diffusion.model import DiffusionConfig, MotionDiffusion; "
    "real = sc.Samples.real(torch.zeros(8, 4, 2), torch.zeros(8, dtype=torch.long)); "
    "config = DiffusionConfig(width=32, depth=1, diffusion_steps=20, batch_size=4); "
    "MotionDiffusion(config, 4, 2, 1, device=torch.device('cpu')).fit(real, 2, sc.Stream(0))": (
        "selfcorrect.loop.models.diffusion.model", {"torch._dynamo"}
    ),
}
PAGES = {
    f"import {STUDIES}.summary, {STUDIES}.figures, {STUDIES}.effects": (
        f"{STUDIES}.effects", {"selfcorrect.experiments.studies.motion", "selfcorrect.loop.run", "pybullet"}
    ),
}
# fmt: on
"""By the line of a program: a module that the line needs, and what must not be loaded after the line."""


@pytest.mark.parametrize("lines", [BASE, LOOPS, PAGES], ids=["base", "loops", "pages"])
def test_imports_stay_lazy(lines: dict[str, tuple[str, set[str]]]) -> None:
    """Lines run in order and share their imports.

    Each has what the lines before it loaded, too.
    """
    if lines is not BASE:
        pytest.importorskip("torch")
    loaded = modules_after_each([*lines])
    assert len(loaded) == len(lines)
    for (line, (needed, refused)), modules in zip(lines.items(), loaded, strict=True):
        assert needed in modules, line
        assert modules & refused == set(), line


def test_options_are_parsed_without_their_source(stepping: Motion, tmp_path: Path) -> None:
    """For nested options without a help text, tyro reads the source, which takes long."""
    source = tmp_path / "steps.bvh"
    save_motion(source, stepping)
    words = ["correct", str(source), "--kinematic", "--out", str(tmp_path / "out"), "-q"]
    main = "from selfcorrect.commands.cli import main"
    assert modules_after(f"import inspect; inspect.getsource = None; {main}; assert main({words!r}) in (0, 1)")


@pytest.mark.parametrize(("option", "is_simulated"), [("--simulate=always", True), ("--kinematic", False)])
def test_engine_loads_for_simulation_only(option: str, is_simulated: bool, stepping: Motion, tmp_path: Path) -> None:
    source = tmp_path / "steps.bvh"
    save_motion(source, stepping)
    words = ["correct", str(source), option, "--out", str(tmp_path / "out"), "-q"]
    loaded = modules_after(f"from selfcorrect.commands.cli import main; main({words!r})")
    assert "selfcorrect.simulators.pipeline" in loaded
    assert bool(loaded & {"mujoco", "pybullet"}) == is_simulated
    if KERNELS is None:  # SciPy loads masked arrays, too
        return
    assert "numpy.ma" not in loaded  # 13 ms, which `np.unique` and `np.median` take
    if not is_simulated:  # SciPy takes longer to load than a short clip takes
        assert "scipy" not in loaded
