#!/usr/bin/env bash
# zarr brings back what resize() cut off when the array grows again; HDF5 does not.
#
# Guess: an array of 12 frames, cut to 5 and grown to 12, holds the fill value in frames 5 to 11, as one of h5py does.
# Seen:  the rest of the chunk that holds frame 4 comes back as it was: frames 5 to 7 with chunks of 4, all with a shard of
#        12. Chunks behind this one are deleted. A frame that append() adds after the cut takes the place of frame 5, and
#        frames 6 and 7 come back once the array grows. So it is in formats 2 and 3.
# Why it matters: a log that is cut to its last checkpoint and grown in advance shows frames of the run that was dropped.
# Tried with zarr 3.1.6, h5py 3.16.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check zarr==3.1.6 h5py==3.16.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import h5py
import numpy as np
import zarr


def cut_and_grow(array, *appended):
    """Write frames 0 to 11, cut the array to 5 frames, append, grow it to 12 and return what it holds."""
    array[:] = np.arange(12.0)
    array.resize((5,))
    if appended:
        array.append(np.array(appended))
    array.resize((12,))
    return array[:].tolist()


def make_zarr(**options):
    return zarr.create_array({}, shape=(12,), chunks=(4,), dtype="f8", fill_value=-1, **options)


with h5py.File("frames.h5", "w") as file:
    options = {"chunks": (4,), "maxshape": (None,), "fillvalue": -1}
    seen = {"h5py": cut_and_grow(file.create_dataset("x", (12,), "f8", **options))}
for name, options in (("2", {"zarr_format": 2}), ("3", {"zarr_format": 3}), ("3 with a shard", {"shards": (12,)})):
    seen[f"zarr format {name}"] = cut_and_grow(make_zarr(**options))
seen["zarr with one frame appended"] = cut_and_grow(make_zarr(), 50.0)
for name, frames in seen.items():
    print(name, frames)
start = [0, 1, 2, 3, 4]
assert seen["h5py"] == [*start, *[-1] * 7]
assert seen["zarr format 2"] == seen["zarr format 3"] == [*start, 5, 6, 7, *[-1] * 4]
assert seen["zarr format 3 with a shard"] == list(range(12))
assert seen["zarr with one frame appended"] == [*start, 50, 6, 7, *[-1] * 4]
PYTHON
