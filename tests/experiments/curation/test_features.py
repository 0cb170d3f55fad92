"""Features of motions by which samples that nobody rated are judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers import lifting_off

from selfcorrect.experiments.curation.features import MOTION_FEATURES, reward_features
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import MotionBatch


def test_features_do_not_depend_on_the_batch_and_hardly_on_the_frame_rate() -> None:
    motion = lifting_off()
    lowered = replace(motion, root_m=motion.root_m - [0.0, 0.1, 0.0])
    both = reward_features(MotionBatch.stack([motion, lowered]))
    alone = reward_features(MotionBatch.stack([lowered]))
    assert both.shape == (2, len(MOTION_FEATURES))
    np.testing.assert_allclose(both[1], alone[0])
    np.testing.assert_allclose(reward_features(MotionBatch.stack([resample(lowered, 60.0)])), alone, atol=0.2)
