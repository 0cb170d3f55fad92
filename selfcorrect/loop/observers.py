"""Observers of a loop: they check and annotate what its phases produce, and change no value that is trained on.

`run_loop` calls the hooks of all observers of a task and an arm. A corrector of users is tried before the first
generation, data that code of users changes in place are noticed, and ancestry is traced.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..core.errors import CorrectorError
from ..core.randomness import Stream
from ..core.samples import Samples, content_hash
from ..correctors.loop_correction import CorrectedBatch, Correction
from ..models.protocol import GenerativeModel
from ..runtime.stopwatch import Stopwatch
from ..storage.runs.protocol import Metrics
from .ancestry import ENTROPY, Genealogy
from .trial import has_user_code, try_correction


class LoopObserver:
    """Hooks of a loop, in the order in which they are called; a subclass overrides the hooks that it needs."""

    def before_first_generation(self, model: GenerativeModel) -> None:
        """Called with the model of generation 0, unless the loop resumes."""

    def after_user_code(self) -> None:
        """Called after each phase in which code of users had the real data."""

    def after_correct(self, batch: CorrectedBatch, training: Samples) -> CorrectedBatch:
        """Return the corrected batch, perhaps with more provenance.

        Args:
            training: Training set of the model that drew it.
        """
        return batch

    def after_mix(self, training: Samples) -> None:
        """Called with the new training set."""

    def metrics(self) -> Metrics:
        """Return the measures of the generation that is about to be committed."""
        return {}


@dataclass(frozen=True)
class Observers(LoopObserver):
    """Several observers as a single observer."""

    members: Sequence[LoopObserver]

    def before_first_generation(self, model: GenerativeModel) -> None:
        for observer in self.members:
            observer.before_first_generation(model)

    def after_user_code(self) -> None:
        for observer in self.members:
            observer.after_user_code()

    def after_correct(self, batch: CorrectedBatch, training: Samples) -> CorrectedBatch:
        for observer in self.members:
            batch = observer.after_correct(batch, training)
        return batch

    def after_mix(self, training: Samples) -> None:
        for observer in self.members:
            observer.after_mix(training)

    def metrics(self) -> Metrics:
        merged: Metrics = {}
        for observer in self.members:
            merged = {**merged, **observer.metrics()}
        return merged


class CorrectorTrial(LoopObserver):
    """Tries a corrector of users on two real and two generated samples before anything is trained with it."""

    def __init__(self, correction: Correction, real: Samples, stream: Stream) -> None:
        self._correction = correction
        self._real = real
        self._stream = stream

    def before_first_generation(self, model: GenerativeModel) -> None:
        if has_user_code(self._correction):
            try_correction(self._correction, model, self._real, self._stream)


class MutationGuard(LoopObserver):
    """Notices what code of users did to the loop's own data, before it is trained on or committed."""

    def __init__(self, real: Samples, correction: Correction | None) -> None:
        self._real = real
        self._hash = content_hash(real)
        self._correction = correction

    def after_user_code(self) -> None:
        """Raise CorrectorError if real data were changed in place."""
        if content_hash(self._real) == self._hash:
            return
        suspect = f"corrector {self._correction.name!r} or the evaluation" if self._correction else "the evaluation"
        raise CorrectorError(f"{suspect} changed the real training data in place; work on a copy (`values.clone()`)")

    def after_correct(self, batch: CorrectedBatch, training: Samples) -> CorrectedBatch:
        """Raise CorrectorError if real data were changed in place, or if corrected samples have new labels."""
        self.after_user_code()
        labels = batch.samples.labels
        real_labels = self._real.labels.unique()
        is_known = torch.isin(labels, real_labels)
        if is_known.all():
            return batch
        name = self._correction.name if self._correction else ""
        raise CorrectorError(
            f"corrector {name!r} returned the label {int(labels[~is_known][0])}, which no real sample has; "
            f"real labels are from {int(real_labels[0])} to {int(real_labels[-1])}"
        )


class LineageTracer(LoopObserver):
    """Traces the ancestry of synthetic samples to the real training data, and measures it."""

    def __init__(self, genealogy: Genealogy, watch: Stopwatch, *, has_overlap: bool) -> None:
        self._genealogy = genealogy
        self._watch = watch
        self._has_overlap = has_overlap
        self._measures: dict[str, float] = {}

    def after_correct(self, batch: CorrectedBatch, training: Samples) -> CorrectedBatch:
        with self._watch.phase("trace"):
            batch, self._measures = self._genealogy.trace(batch, training)
        return batch

    def after_mix(self, training: Samples) -> None:
        """Measure the training set's entropy, and the founders that survive in one of several generations."""
        with self._watch.phase("trace"):
            self._measures[ENTROPY] = self._genealogy.entropy_change(training)
        if self._has_overlap:
            self._measures["surviving_lineages"] = self._genealogy.surviving_share(training)

    def metrics(self) -> Metrics:
        return dict(self._measures)
