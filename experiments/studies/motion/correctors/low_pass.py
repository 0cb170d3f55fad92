"""A low-pass filter: physics' cheap rival, which leaves samples as smooth as physics does."""

from dataclasses import dataclass

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrector, call_corrector
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.physical import physical_errors

ORDER = 2
"""Order of the Butterworth filter; the filter runs forwards and backwards."""

HALVINGS = 12
"""Bisections of the cut-off frequency: to a hundredth of a hertz."""


@dataclass(frozen=True)
class LowPass:
    """Filters features in time without phase shift; rotations of windows are made valid again."""

    codec: FeatureCodec
    cutoff_hz: float
    """Frequency at which each of the two passes leaves half of a sine's power."""
    name: str = "low-pass"

    def __call__(self, samples: Samples) -> Samples:
        return samples.with_values(self._apply_filter(samples.values))

    def _apply_filter(self, values: Tensor) -> Tensor:
        from scipy.signal import butter, sosfiltfilt

        sections = butter(ORDER, self.cutoff_hz, fs=self.codec.fps, output="sos")
        smooth = sosfiltfilt(sections, values.double().numpy(), axis=1)
        return self.codec.encode(self.codec.decode(torch.as_tensor(smooth.copy()))).to(values)


def as_smooth_as(corrector: Corrector, samples: Samples, codec: FeatureCodec, stream: Stream) -> LowPass:
    """Return the filter that gives samples the same mean jerk as a corrector does.

    Its cut-off is from 0.1 Hz to just below the highest frequency that frames can show. Samples that are smoother than
    corrected ones to begin with are not filtered.
    """
    corrected = call_corrector(corrector, samples, stream)
    target_jerk_m_s3 = _measure_jerk_m_s3(codec, corrected.samples.values[corrected.accepted])
    low_hz = 0.1
    high_hz = 0.499 * codec.fps
    for _ in range(HALVINGS):
        middle_hz = (low_hz + high_hz) / 2
        too_smooth = _measure_jerk_m_s3(codec, LowPass(codec, middle_hz)(samples).values) < target_jerk_m_s3
        low_hz, high_hz = (middle_hz, high_hz) if too_smooth else (low_hz, middle_hz)
    return LowPass(codec, high_hz)


def _measure_jerk_m_s3(codec: FeatureCodec, values: Tensor) -> float:
    return float(physical_errors(codec.decode(values)).jerk_m_s3.mean())
