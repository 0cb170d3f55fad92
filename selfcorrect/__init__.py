"""Self-correcting self-consuming loops for generative models, with physically plausible human motion.

Names are imported when they are first used: `import selfcorrect` alone loads neither PyTorch nor a simulator.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.extras import requires_extra

_CLONE = Path(__file__).resolve().parents[1]
if (_CLONE / "pyproject.toml").is_file() and (_CLONE / "simulators" / "__init__.py").is_file():
    __path__.append(str(_CLONE))  # Python started in a clone finds this folder before what is installed

if TYPE_CHECKING:
    from selfcorrect.datasets.collections.dataset import Clip as Clip
    from selfcorrect.datasets.collections.dataset import Dataset as Dataset
    from selfcorrect.datasets.files.motion_file import MotionFile as MotionFile
    from selfcorrect.datasets.files.open import open_motion as open_motion
    from selfcorrect.datasets.files.open import save_motion as save_motion
    from selfcorrect.datasets.files.skeletons.reading import Reading as Reading
    from selfcorrect.datasets.load import load_motion as load_motion
    from selfcorrect.datasets.load import load_motions as load_motions
    from selfcorrect.experiments.file_correction.in_python import correct as correct
    from selfcorrect.experiments.file_correction.in_python import correct_file as correct_file
    from selfcorrect.experiments.file_correction.in_python import correct_files as correct_files
    from selfcorrect.experiments.file_correction.in_python import correct_motions as correct_motions
    from selfcorrect.experiments.file_correction.options import CorrectionOptions as CorrectionOptions
    from selfcorrect.experiments.remedies.remedies import RemedyInputs as RemedyInputs
    from selfcorrect.experiments.remedies.remedies import with_remedy as with_remedy
    from selfcorrect.experiments.studies import claims as claims
    from selfcorrect.experiments.studies.comparison.compare import compare as compare
    from selfcorrect.experiments.studies.comparison.runs import compare_runs as compare_runs
    from selfcorrect.experiments.studies.report import Comparison as Comparison
    from selfcorrect.experiments.studies.summary import read_summary as read_summary
    from selfcorrect.experiments.toy import toys as toys
    from selfcorrect.simulators.corrector import KinematicCorrector as KinematicCorrector
    from selfcorrect.simulators.corrector import PhysicsCorrector as PhysicsCorrector
    from selfcorrect.simulators.foot_contacts import Contacts as Contacts

    from . import statistics as statistics
    from .core.errors import CorrectorError as CorrectorError
    from .core.errors import InputError as InputError
    from .core.errors import LoopError as LoopError
    from .core.errors import MissingExtraError as MissingExtraError
    from .core.errors import RunFolderError as RunFolderError
    from .core.errors import SampleError as SampleError
    from .core.errors import SelfcorrectError as SelfcorrectError
    from .core.errors import SettingError as SettingError
    from .core.errors import TrainingDivergedError as TrainingDivergedError
    from .core.errors import WorkerError as WorkerError
    from .core.randomness import Stream as Stream
    from .core.randomness import streams as streams
    from .core.samples import Samples as Samples
    from .correctors.contract import Corrected as Corrected
    from .correctors.contract import chain as chain
    from .correctors.contract import filter_of as filter_of
    from .correctors.contract import lift as lift
    from .correctors.contract import random_perturbation as random_perturbation
    from .correctors.contract import verifier as verifier
    from .correctors.loop_correction import Correction as Correction
    from .loop.bias import best_of as best_of
    from .loop.policy import Accumulate as Accumulate
    from .loop.policy import AccumulateSubsample as AccumulateSubsample
    from .loop.policy import Augment as Augment
    from .loop.policy import Freeze as Freeze
    from .loop.policy import Fresh as Fresh
    from .loop.policy import Keep as Keep
    from .loop.policy import RealOnly as RealOnly
    from .loop.policy import Renew as Renew
    from .loop.policy import Replace as Replace
    from .loop.policy import Weighted as Weighted
    from .loop.policy import parse_policy as parse_policy
    from .loop.run import Arm as Arm
    from .loop.run import Candidate as Candidate
    from .loop.run import Task as Task
    from .loop.run import run_loop as run_loop
    from .loop.run import train_first_generation as train_first_generation
    from .metrics.frechet import frechet_distance as frechet_distance
    from .metrics.neighbours import neighbour_metrics as neighbour_metrics
    from .models.adapters.diffusers_model import DiffusersModel as DiffusersModel
    from .models.adapters.language_model import CausalLanguageModel as CausalLanguageModel
    from .models.adapters.torch_model import TorchModel as TorchModel
    from .models.gaussian import Gaussian as Gaussian
    from .models.network import NetworkModel as NetworkModel
    from .models.network import perceptron as perceptron
    from .models.protocol import GenerativeModel as GenerativeModel
    from .motion.checks.check import check as check
    from .motion.corrector_interface.each import each_motion as each_motion
    from .motion.corrector_interface.lifting import lift_motions as lift_motions
    from .motion.corrector_interface.results import CorrectedMotion as CorrectedMotion
    from .motion.geometry.kinematics import joint_positions as joint_positions
    from .motion.ground import Ground as Ground
    from .motion.ground import GroundBox as GroundBox
    from .motion.motion import Motion as Motion
    from .motion.pictures.drawing import draw_motions as draw_motions
    from .motion.pictures.player import show as show
    from .motion.skeleton import Skeleton as Skeleton
    from .statistics import Thresholds as Thresholds
    from .storage.runs.folder_store import FolderReader as FolderReader
    from .storage.runs.folder_store import FolderStore as FolderStore
    from .storage.runs.memory import MemoryStore as MemoryStore
    from .testing import Trial as Trial
    from .testing import assert_loop_stable as assert_loop_stable
    from .testing import assert_plausible as assert_plausible
    from .testing import measure_stability as measure_stability

    __version__: str

_PUBLIC = {
    "selfcorrect.experiments.remedies.remedies": ("RemedyInputs", "with_remedy"),
    "selfcorrect.experiments.studies.summary": ("read_summary",),
    "selfcorrect.loop.bias": ("best_of",),
    "selfcorrect.correctors.loop_correction": ("Correction",),
    "selfcorrect.correctors.contract": ("Corrected", "chain", "filter_of", "lift", "random_perturbation", "verifier"),
    "selfcorrect.datasets.collections.dataset": ("Clip", "Dataset"),
    "selfcorrect.datasets.files.motion_file": ("MotionFile",),
    "selfcorrect.datasets.files.open": ("open_motion", "save_motion"),
    "selfcorrect.datasets.files.skeletons.reading": ("Reading",),
    "selfcorrect.datasets.load": ("load_motion", "load_motions"),
    "selfcorrect.core.errors": (
        "CorrectorError",
        "InputError",
        "LoopError",
        "MissingExtraError",
        "RunFolderError",
        "SampleError",
        "SelfcorrectError",
        "SettingError",
        "TrainingDivergedError",
        "WorkerError",
    ),
    "selfcorrect.experiments.studies.report": ("Comparison",),
    "selfcorrect.experiments.studies.comparison.compare": ("compare",),
    "selfcorrect.experiments.studies.comparison.runs": ("compare_runs",),
    "selfcorrect.experiments.file_correction.in_python": (
        "correct",
        "correct_file",
        "correct_files",
        "correct_motions",
    ),
    "selfcorrect.experiments.file_correction.options": ("CorrectionOptions",),
    "selfcorrect.loop.run": ("Candidate", "Arm", "Task", "run_loop", "train_first_generation"),
    "selfcorrect.models.adapters.diffusers_model": ("DiffusersModel",),
    "selfcorrect.models.adapters.language_model": ("CausalLanguageModel",),
    "selfcorrect.models.adapters.torch_model": ("TorchModel",),
    "selfcorrect.models.gaussian": ("Gaussian",),
    "selfcorrect.metrics.frechet": ("frechet_distance",),
    "selfcorrect.metrics.neighbours": ("neighbour_metrics",),
    "selfcorrect.models.network": ("NetworkModel", "perceptron"),
    "selfcorrect.models.protocol": ("GenerativeModel",),
    "selfcorrect.motion.checks.check": ("check",),
    "selfcorrect.motion.corrector_interface.each": ("each_motion",),
    "selfcorrect.motion.corrector_interface.lifting": ("lift_motions",),
    "selfcorrect.motion.corrector_interface.results": ("CorrectedMotion",),
    "selfcorrect.motion.geometry.kinematics": ("joint_positions",),
    "selfcorrect.motion.ground": ("Ground", "GroundBox"),
    "selfcorrect.motion.motion": ("Motion",),
    "selfcorrect.motion.pictures.drawing": ("draw_motions",),
    "selfcorrect.motion.pictures.player": ("show",),
    "selfcorrect.motion.skeleton": ("Skeleton",),
    "selfcorrect.loop.policy": (
        "Accumulate",
        "AccumulateSubsample",
        "Augment",
        "Freeze",
        "Fresh",
        "Keep",
        "RealOnly",
        "Renew",
        "Replace",
        "Weighted",
        "parse_policy",
    ),
    "selfcorrect.core.randomness": ("Stream", "streams"),
    "selfcorrect.core.samples": ("Samples",),
    "selfcorrect.simulators.foot_contacts": ("Contacts",),
    "selfcorrect.simulators.corrector": ("KinematicCorrector", "PhysicsCorrector"),
    "selfcorrect.statistics": ("Thresholds",),
    "selfcorrect.storage.runs.folder_store": ("FolderReader", "FolderStore"),
    "selfcorrect.storage.runs.memory": ("MemoryStore",),
    "selfcorrect.testing": ("Trial", "assert_loop_stable", "assert_plausible", "measure_stability"),
}
"""The public names by the module that they live in: the same as above, for when the program runs."""

_SUBMODULES = {
    "claims": "selfcorrect.experiments.studies.claims",
    "statistics": "selfcorrect.statistics",
    "toys": "selfcorrect.experiments.toy.toys",
}
"""Public names that are modules, by the place of each."""

_MODULES = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = ["__version__", *sorted((*_MODULES, *_SUBMODULES))]  # pyright: ignore[reportUnsupportedDunderAll]


if not TYPE_CHECKING:  # so that type checkers report names that do not exist

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            value = importlib.import_module("importlib.metadata").version("selfcorrect")
        elif name in _SUBMODULES:
            with requires_extra(f"selfcorrect.{name}"):
                value = importlib.import_module(_SUBMODULES[name])
        elif name in _MODULES:
            with requires_extra(f"selfcorrect.{name}"):
                value = getattr(importlib.import_module(_MODULES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
