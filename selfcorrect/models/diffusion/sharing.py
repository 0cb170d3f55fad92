"""Training by several processes at once, on as many devices, which `torchrun` or `accelerate launch` has started.

The first process leads: it alone runs the program. All other processes wait for the models that it fits, and each works
on its share of every batch. All draw the same batches from the same streams, and gradients are averaged, so weights
equal the weights of a single process up to rounding, for any number of processes. What goes between them is pickled:
the processes trust each other.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import SettingError, TrainingDivergedError
from ...core.extras import requires_extra
from ...core.randomness import Stream
from ...core.samples import Samples

PATIENCE = timedelta(days=7)
"""Longest wait of a process for the leader, which corrects and evaluates between two fits."""


class ProcessGroup:
    """A group of a single process, which does all of the work."""

    def call(self, model: Any, samples: Samples, steps: int, stream: Stream) -> None:
        """Have all other processes fit the model, a `MotionDiffusion`, too."""

    def seed_layers(self, stream: Stream) -> None:
        """Let layers of each process draw numbers of their own, after all built the same network."""

    def wrap_network(self, network: nn.Module) -> nn.Module:
        """Return the network with gradients that are averaged over all processes."""
        return network

    def local_rows(self, rows: Tensor) -> Tensor:
        """Return this process' rows of a batch."""
        return rows

    def average_loss(self, loss: Tensor) -> Tensor:
        """Return the loss of the whole batch, from the loss of this process' rows."""
        return loss


ALONE = ProcessGroup()


@dataclass(frozen=True)
class DistributedGroup(ProcessGroup):
    """One process' part in a group."""

    accelerator: Any

    def call(self, model: Any, samples: Samples, steps: int, stream: Stream) -> None:
        if self.accelerator.is_main_process:
            blank = replace(model, network=None, average=None, steps=0)
            _send((blank, model.state(), samples, steps, stream))

    def seed_layers(self, stream: Stream) -> None:
        if rank := self.accelerator.process_index:
            torch.manual_seed(stream.child("process", rank).seed)

    def wrap_network(self, network: nn.Module) -> nn.Module:
        self.accelerator.free_memory()  # it holds on to the networks of earlier fits
        return self.accelerator.prepare_model(network)

    def local_rows(self, rows: Tensor) -> Tensor:
        count = self.accelerator.num_processes
        if len(rows) % count:
            raise SettingError(f"batch_size must be a multiple of the {count} processes that train, got {len(rows)}")
        return rows.chunk(count)[self.accelerator.process_index]

    def average_loss(self, loss: Tensor) -> Tensor:
        return self.accelerator.reduce(loss.detach(), "mean")


def process_count() -> int:
    """Return the number of processes that train together, 1 unless something started several."""
    return int(os.environ.get("WORLD_SIZE", "1"))


_share: ProcessGroup = ALONE


def this_process_group() -> ProcessGroup:
    """Return the group in which this process works; outside `process_group`, a separate group."""
    return _share


@contextmanager
def process_group(device: torch.device) -> Iterator[bool]:
    """Yield True in the process that runs the program; all other processes fit the same models until its block ends."""
    if process_count() == 1:
        yield True
        return
    with requires_extra("training by several processes"):
        from accelerate import Accelerator, InitProcessGroupKwargs
    accelerator = Accelerator(cpu=device.type == "cpu", kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
    with _join_group(DistributedGroup(accelerator)) as share:
        try:
            if share.accelerator.is_main_process:
                yield True
            else:
                _follow(share)
                yield False
        finally:
            if share.accelerator.is_main_process:
                _send(None)
            share.accelerator.free_memory()
            gc.collect()  # networks that still hold the group keep its threads alive
            torch.distributed.destroy_process_group()


@contextmanager
def _join_group(share: DistributedGroup) -> Iterator[DistributedGroup]:
    global _share
    _share = share
    try:
        yield share
    finally:
        _share = ALONE


def _follow(share: DistributedGroup) -> None:
    while (work := _receive()) is not None:
        blank, state, samples, steps, stream = work
        model = replace(blank, device=share.accelerator.device).load_state(state)
        with suppress(TrainingDivergedError):  # the leader reports it
            model.fit(samples, steps, stream)


def _send(work: object) -> None:
    torch.distributed.broadcast_object_list([work], src=0)


def _receive() -> Any:
    box: list[Any] = [None]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]
