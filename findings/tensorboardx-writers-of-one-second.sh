#!/usr/bin/env bash
# Two tensorboardX writers that open the same folder in one second write to one file, and the first one's values are lost.
#
# Guess: each SummaryWriter has a file of its own, as PyTorch's has (its names hold the process and a counter), so a folder
#        keeps the values of both.
# Seen:  the name is the second and the machine's name. The second writer empties the file of the first: of values 0, 1, 2
#        and 10, 11, 12 only 10, 11, 12 are left, without a warning, although the first writer was closed before the second
#        opened. A second later, or with filename_suffix, both stay.
# Why it matters: short runs and workers that start together log to one folder.
# Tried with tensorboardX 2.6.5, protobuf 7.36.2, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check tensorboardX==2.6.5 protobuf==7.36.2 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import struct
import tempfile
import time
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event


def read_values(folder):
    """Return the scalars in all event files of the folder: records of length, checksum, event and checksum."""
    for path in Path(folder).iterdir():
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield from (value.simple_value for value in Event.FromString(data[12 : 12 + length]).summary.value)
            data = data[16 + length :]


def write_twice(wait_s=0.0, suffixes=("", "")):
    """Return the values left by two writers, the second of which opens in the second of the first, or `wait_s` later."""
    while True:
        folder = tempfile.mkdtemp(dir=".")
        seconds = []
        for start, suffix in zip((0, 10), suffixes, strict=True):
            seconds.append(int(time.time()))
            with SummaryWriter(folder, filename_suffix=suffix) as writer:
                seconds.append(int(time.time()))
                for step in range(3):
                    writer.add_scalar("loss", start + step, start + step)
            time.sleep(wait_s)
        if wait_s or len(set(seconds)) == 1:
            return sorted(read_values(folder))


seen = {
    "in one second": write_twice(),
    "a second later": write_twice(wait_s=1.1),
    "with suffixes": write_twice(suffixes=(".first", ".second")),
}
print(seen)
assert seen["in one second"] == [10, 11, 12]
assert seen["a second later"] == seen["with suffixes"] == [0, 1, 2, 10, 11, 12]
PYTHON
