"""Score known artefacts in fresh real windows, for the last table of docs/results/tables.md.

python docs/tools/known_artefacts.py
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from known_losses import MARGIN, PAGE, SEEDS
from tables import fill_marked, make_table

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.task import motion_data
from selfcorrect.motion.editing.artefacts import jitter_joints, jitter_roots, offset_heights, raise_bodies, slide_bodies
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.measures.metrics import find_metric
from selfcorrect.motion.motion import MotionBatch

Direction = Literal["rises", "falls", "stays"]

KEYS = (
    "energy_ankles", "fid_kinematic", "fid_geometric", "fid_ground", "precision", "coverage", "penetration_mm",
    "float_mm", "skate_m_s", "slide_m_s", "jerk_m_s3",
)  # fmt: skip
UNREAL: Mapping[str, Direction] = {
    "energy_ankles": "rises",
    "fid_kinematic": "rises",
    "fid_geometric": "rises",
    "fid_ground": "rises",
    "precision": "falls",
}
"""Expected of every artefact: realism falls, and all other measures stay unless the artefact names them."""
SUNK: Mapping[str, Direction] = {"penetration_mm": "rises", "float_mm": "falls"}
RAISED: Mapping[str, Direction] = {"penetration_mm": "falls", "float_mm": "rises"}
OFFSET: Mapping[str, Direction] = {"penetration_mm": "rises", "float_mm": "rises"}
SLIDING: Mapping[str, Direction] = {"skate_m_s": "rises", "slide_m_s": "rises"}
JITTERY: Mapping[str, Direction] = {**SLIDING, "jerk_m_s3": "rises"}


@dataclass(frozen=True)
class KnownArtefact:
    """A change of windows and its measures' directions."""

    name: str
    change: Callable[[MotionBatch, np.random.Generator], MotionBatch] = lambda batch, rng: batch
    directions: Mapping[str, Direction] = field(default_factory=dict)

    def find_direction(self, key: str) -> Direction:
        """Return the right direction of a measure."""
        return self.directions.get(key, "stays")


def _raise(height_m: float) -> Callable[[MotionBatch, np.random.Generator], MotionBatch]:
    return lambda batch, rng: raise_bodies(batch, height_m)


ARTEFACTS = (
    KnownArtefact("fresh real windows"),
    KnownArtefact("sunk by 20 mm", _raise(-0.02), {**UNREAL, **SUNK}),
    KnownArtefact("sunk by 30 mm", _raise(-0.03), {**UNREAL, **SUNK}),
    KnownArtefact("sunk by 100 mm", _raise(-0.1), {**UNREAL, **SUNK}),
    KnownArtefact("raised by 100 mm", _raise(0.1), {**UNREAL, **RAISED}),
    KnownArtefact(
        "heights off by 50 mm (SD over windows)",
        lambda batch, rng: offset_heights(batch, 0.05, rng), {**UNREAL, **OFFSET},
    ),
    KnownArtefact("slides at 0.2 m/s", lambda batch, rng: slide_bodies(batch, 0.2, rng), {**UNREAL, **SLIDING}),
    KnownArtefact("slides at 0.5 m/s", lambda batch, rng: slide_bodies(batch, 0.5, rng), {**UNREAL, **SLIDING}),
    KnownArtefact("root jitters by 5 mm", lambda batch, rng: jitter_roots(batch, 0.005, rng), {**UNREAL, **JITTERY}),
    KnownArtefact(
        "joints jitter by 2.3°", lambda batch, rng: jitter_joints(batch, np.radians(2.3), rng), {**UNREAL, **JITTERY}
    ),
)  # fmt: skip
"""The windows as they are, then artefacts."""


def score_artefacts(seeds: int = SEEDS) -> np.ndarray:
    """Return mean scores (`ARTEFACTS`, `KEYS`) over seeds, in the units that are shown."""
    all_scores = []
    for seed in range(seeds):
        data = motion_data(PRESETS["short"], streams(seed))
        evaluator = MotionEvaluator.fit(data.reference.batch, data.reference.labels)
        scores = []
        for artefact in ARTEFACTS:
            changed = artefact.change(data.fresh.batch, np.random.default_rng(seed))
            row = evaluator.evaluate(changed, data.fresh.labels)
            scores.append([row[key] for key in KEYS])
        all_scores.append(scores)
    return np.mean(all_scores, axis=0)


def find_direction(score: float, real: float) -> Direction:
    """Return the direction in which a score differs from real windows by more than `MARGIN`."""
    if score > (1 + MARGIN) * real:
        return "rises"
    return "falls" if score < (1 - MARGIN) * real else "stays"


def make_artefact_table(scores: np.ndarray) -> str:
    """Tabulate the artefacts; wrong directions are bold."""
    metrics = [find_metric(key) for key in KEYS]
    rows = []
    for artefact, values in zip(ARTEFACTS, scores, strict=True):
        cells = []
        for metric, value, real in zip(metrics, values, scores[0], strict=True):
            text = f"{value:.{metric.digits}f}"
            is_right = find_direction(value, real) == artefact.find_direction(metric.key)
            cells.append(text if is_right else f"**{text}**")
        rows.append([artefact.name, *cells])
    return make_table(["real windows", *(metric.title for metric in metrics)], rows)


if __name__ == "__main__":
    PAGE.write_text(fill_marked(PAGE.read_text(), "artefacts", {"all": make_artefact_table(score_artefacts())}))
