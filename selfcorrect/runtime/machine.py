"""Processor and GPU of this machine, because simulated results differ between models in the fifth digit."""

import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, order=True)
class Machine:
    """The hardware that a job ran on, without the machine's name."""

    processor: str
    gpu: str = ""
    """Model of the GPU, or "" if the job used none."""

    def __str__(self) -> str:
        return f"{self.processor} with {self.gpu}" if self.gpu else self.processor


@cache
def find_processor() -> str:
    """Return the model of this machine's processor."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    model = re.search(r"^model name\s*:(.*)", text, re.MULTILINE)
    return model[1].strip() if model else platform.processor() or "not known"


def find_machine() -> Machine:
    """Return this machine with the GPU in use."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return Machine(find_processor(), torch.cuda.get_device_name())
    return Machine(find_processor())
