"""Physics in random scenes: pushes, loads, other friction, lighter and heavier bodies.

Every few samples get a scene: variation that mechanics allows and no model has made.
"""

from dataclasses import dataclass

import numpy as np

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected, Corrector
from selfcorrect.experiments.motion.correctors.own import CorrectorInputs
from selfcorrect.motion.corrector_interface.lifting import encode_corrections
from selfcorrect.motion.corrector_interface.results import CorrectedMotion
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.simulators.corrector import correct_samples
from selfcorrect.simulators.pipeline import release_simulator
from selfcorrect.simulators.presets import SAMPLES
from selfcorrect.simulators.stages.scene import Scene
from selfcorrect.simulators.stages.values import select_motions

MAX_PUSH_N = 300.0
"""Strongest push."""
MAX_LOAD_KG = 15.0
"""Heaviest load."""
SAMPLES_PER_SCENE = 16


@dataclass(frozen=True)
class RandomizedDynamicsCorrector:
    """Physics in a random scene for every few samples."""

    codec: FeatureCodec
    engine: str
    name: str = "randomized-dynamics"

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        motions = self.codec.decode(samples.values)
        corrections: list[CorrectedMotion] = []
        for start in range(0, len(motions), SAMPLES_PER_SCENE):
            corrector = SAMPLES.corrector(self.engine, scene=draw_scene(stream.child("scene", start)))
            stop = min(start + SAMPLES_PER_SCENE, len(motions))
            for batch in correct_samples(corrector, select_motions(motions, range(start, stop))):
                corrections += batch
        release_simulator()
        return encode_corrections(samples, motions, corrections, self.codec)


def draw_scene(stream: Stream) -> Scene:
    """Draw a scene on a level floor on Earth."""
    draw = stream.numpy()
    push_n = draw.uniform(0, MAX_PUSH_N)
    heading_rad = draw.uniform(0, 2 * np.pi)
    return Scene(
        push_n=(push_n * np.sin(heading_rad), 0.0, push_n * np.cos(heading_rad)),
        push_from_s=draw.uniform(0.1, 1.0),
        friction=draw.uniform(0.3, 0.9),
        load_kg=draw.uniform(0.0, MAX_LOAD_KG),
        mass=draw.uniform(0.8, 1.25),
    )


def randomized_dynamics(inputs: CorrectorInputs) -> Corrector:
    """Make the physics corrector in random scenes."""
    return RandomizedDynamicsCorrector(inputs.codec, inputs.engine)
