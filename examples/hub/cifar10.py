"""A UNet of diffusers on CIFAR-10: real images only, its own, its own beside real ones, and its own after k-means.

    pip install ./examples/plugins/hub_models
    python examples/hub/cifar10.py --data cifar-10-batches-bin --out runs/cifar10

`--data` is the folder that cifar-10-binary.tar.gz unpacks to (Krizhevsky 2009). The same command resumes a stopped run.
The Fréchet distance uses a classifier trained on the real images, not Inception: compare within a run only.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import tyro
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from hub_models import DiffusersModel
from sklearn.neural_network import MLPClassifier
from torch import Tensor
from torch.nn.functional import avg_pool2d

import selfcorrect as sc
from selfcorrect.correctors.anchors import fit_anchors
from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics

SIZE, CHANNELS = 32, 3


@dataclass(frozen=True)
class ImageLoop:
    """The sizes of the loop. The defaults need a GPU."""

    data: Path
    """Folder with data_batch_1.bin and so on."""
    out: Path = Path("runs/cifar10")
    """Run folder, with the report."""
    seeds: int = 3
    """Number of seeds."""
    real_count: int = 5000
    """Real images to train on."""
    judged: int = 2000
    """Held-out images to judge by."""
    widths: tuple[int, ...] = (128, 256, 256)
    """Channels of the UNet at each resolution, multiples of 8."""
    initial_steps: int = 40_000
    """Optimiser steps of generation 0."""
    steps: int = 4000
    """Optimiser steps per generation."""
    generations: int = 5
    """Generations after generation 0."""
    samples_per_centre: int = 10
    """Real images per cluster of the corrector."""
    sampling_steps: int = 50
    """Network evaluations per image."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Device of the network."""

    def make_task(self, stream: sc.Stream) -> sc.Task:
        """Return model, real images and judge of a seed. A classifier trained on the real images gives features."""
        images, labels = read_cifar10(self.data)
        if len(images) < self.real_count + self.judged:
            raise sc.InputError(f"{self.data}: {len(images)} images, expected {self.real_count + self.judged}")
        order = torch.randperm(len(images), generator=stream.child("split").generator())
        train, held_out = order[: self.real_count], order[self.real_count :][: self.judged]
        real = sc.Samples.real(images[train], labels[train])
        classifier = MLPClassifier((32,), max_iter=1000, random_state=stream.seed % 2**32)
        classifier.fit(shrink(real.values), real.labels.numpy())
        reference = extract_features(classifier, images[held_out])

        def judge(candidate: sc.Candidate) -> dict[str, float]:
            drawn = candidate.samples(self.judged)
            features = extract_features(classifier, drawn.values)
            return {
                "fid": frechet_distance(reference, features),
                "accuracy": float(np.mean(classifier.predict(shrink(drawn.values)) == drawn.labels.numpy())),
                "recall": neighbour_metrics(reference, features)["recall"],
            }

        return sc.Task(self.make_model(), real, judge, self.initial_steps)

    def make_model(self) -> DiffusersModel:
        """Return a class-conditional UNet with a cosine schedule of 100 noise levels, sampled by DDIM."""
        network = partial(
            UNet2DModel,
            sample_size=SIZE,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            block_out_channels=self.widths,
            layers_per_block=1,
            down_block_types=("DownBlock2D",) * len(self.widths),
            up_block_types=("UpBlock2D",) * len(self.widths),
            add_attention=False,
            norm_num_groups=8,
            num_class_embeds=10,
        )
        return DiffusersModel(
            module=network,
            scheduler=DDIMScheduler(100, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"),
            shape=(CHANNELS, SIZE, SIZE),
            sampling_steps=self.sampling_steps,
            batch_size=48,
            learning_rate=2e-4,
            device=torch.device(self.device),
        )

    def correct_by_k_means(self, task: sc.Task, stream: sc.Stream) -> sc.Arm:
        """Replace every image by the nearest cluster centre of the real images of its class."""
        anchors = fit_anchors(task.real, self.samples_per_centre, stream.child("clusters"))

        def replace_by_centre(samples: sc.Samples) -> sc.Samples:
            distances = torch.cdist(samples.values.flatten(1), anchors.centroids.flatten(1))
            is_other_class = samples.labels[:, None] != anchors.labels
            nearest = distances.masked_fill(is_other_class, torch.inf).argmin(1)
            return samples.with_values(anchors.centroids[nearest].to(samples.values))

        correction = sc.Correction(replace_by_centre, strength=1.0, operator="interpolation")
        return sc.Arm(sc.Replace(), self.generations, self.steps, correction=correction)


def read_cifar10(folder: Path) -> tuple[Tensor, Tensor]:
    """Return images (N, 3, 32, 32) in [−1, 1] and labels (N,) of the binary layout: a label byte, then the pixels."""
    files = sorted(folder.glob("data_batch_*.bin"))
    if not files:
        raise sc.InputError(f"{folder}: no data_batch_*.bin; expected the folder of cifar-10-binary.tar.gz")
    rows = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 1 + CHANNELS * SIZE * SIZE) for file in files])
    pixels = rows[:, 1:].reshape(-1, CHANNELS, SIZE, SIZE).astype(np.float32)
    return torch.from_numpy(pixels / 127.5 - 1), torch.from_numpy(rows[:, 0].astype(np.int64))


def shrink(images: Tensor) -> np.ndarray:
    """Return averages of 4×4 pixels, (N, 192): what the judge looks at."""
    return avg_pool2d(images, 4).flatten(1).numpy()


def extract_features(classifier: MLPClassifier, images: Tensor) -> np.ndarray:
    """Return hidden activations (N, 32)."""
    return np.maximum(shrink(images) @ classifier.coefs_[0] + classifier.intercepts_[0], 0)


if __name__ == "__main__":
    loop = tyro.cli(ImageLoop)
    synthetic = sc.Arm(sc.Replace(), loop.generations, loop.steps)
    comparison = sc.compare(
        loop.make_task,
        {
            "real only": replace(synthetic, policy=sc.RealOnly()),
            "synthetic": synthetic,
            "augmented": replace(synthetic, policy=sc.Augment(1.0)),
            "corrected": loop.correct_by_k_means,
        },
        seeds=loop.seeds,
        copying=True,
        out=loop.out,
        better={"fid": "lower", "accuracy": "higher", "recall": "higher"},
        title="CIFAR-10",
    )
    print(comparison)
