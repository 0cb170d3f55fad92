"""The loop of a UNet of diffusers on CIFAR-10: real data only, its own images, and these corrected by k-means."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor
from torch.nn.functional import avg_pool2d

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.correctors.anchors import fit_anchors
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.user_files.cifar10 import SIZE, cifar10
from selfcorrect.loop.policy import Augment, RealOnly, Replace
from selfcorrect.loop.run import Plan, Task
from selfcorrect.models.diffusion.model import choose_device

from ..studies.plans.inputs import PlanSource
from ..toy.networks.images import image_task, nearest_centre
from ..toy.networks.unet_digits import unet_model

BETTER = {"fid": "lower", "accuracy": "higher", "recall": "higher"}


@dataclass(frozen=True)
class ImageLoop:
    """CIFAR-10 by path, and the sizes of the loop."""

    data: Path
    real_count: int = 5000
    judged: int = 2000
    widths: tuple[int, ...] = (128, 256, 256)
    first_steps: int = 40_000
    steps: int = 4000
    generations: int = 5
    samples_per_centre: int = 10
    device: str = "auto"

    def task(self, stream: Stream) -> Task:
        """Model, real images and judge of a seed. A classifier trained on the real images gives the features."""
        images, labels = cifar10(self.data)
        if len(images) < self.real_count + self.judged:
            raise InputError(
                f"{self.data}: {len(images)} images, and the loop needs {self.real_count} to train on and "
                f"{self.judged} to judge by"
            )
        model = unet_model(
            SIZE, 3, self.widths, device=choose_device(self.device), learning_rate=2e-4, sampling_steps=50
        )
        return image_task(model, self, (images, labels), stream, pooled)

    def plans(self) -> dict[str, PlanSource]:
        """The arms."""
        plan = Plan(Replace(), self.generations, self.steps)

        def corrected(task: Task, stream: Stream) -> Plan:
            anchors = fit_anchors(task.real, self.samples_per_centre, stream.child("clusters"))
            return replace(plan, correction=Correction(nearest_centre(anchors), 1.0, "interpolation"))

        return {
            "real only": replace(plan, policy=RealOnly()),
            "synthetic": plan,
            "augmented": replace(plan, policy=Augment(1.0)),
            "corrected": corrected,
        }


def pooled(images: Tensor) -> Tensor:
    """Images (N, 3, 8, 8), averages of 4×4 pixels: what the judge looks at."""
    return avg_pool2d(images, 4)
