#!/usr/bin/env bash
# The same numbers, written into data sets of small integers, are clipped by h5py and wrapped by zarr.
#
# Guess: array[:] = values casts as NumPy's astype does, in h5py and in zarr: 300 becomes 44 in uint8.
# Seen:  zarr casts so. h5py leaves the cast to HDF5, which clips: 300 becomes 255, -1 becomes 0, and 40000 and infinity
#        become 32767 in int16. A list in place of an array goes through NumPy, which refuses 300 (OverflowError). Neither
#        library warns of an array of integers.
# Why it matters: coordinates and angles are often stored as int16; a copy of a store can change its limits.
# Tried with h5py 3.16.0, zarr 3.1.6, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check h5py==3.16.0 zarr==3.1.6 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import warnings

import h5py
import numpy as np
import zarr


def store(values, kind):
    """Return the values as h5py and as zarr hold them in a data set of this kind."""
    with h5py.File("store.h5", "w") as file:
        clipped = file.create_dataset("x", values.shape, kind)
        clipped[:] = values
        wrapped = zarr.create_array({}, shape=values.shape, dtype=kind)
        wrapped[:] = values
        return clipped[:].tolist(), wrapped[:].tolist()


with warnings.catch_warnings():
    warnings.simplefilter("error")
    small = store(np.array([300, -1, 2]), "uint8")
    large = store(np.array([40000, -40000, 2]), "int16")
print("300, -1 and 2 in uint8, h5py and zarr:", small, "; 40000, -40000 and 2 in int16:", large)
assert small == ([255, 0, 2], [44, 255, 2])
assert large == ([32767, -32768, 2], [-25536, 25536, 2])
with h5py.File("floats.h5", "w") as file:
    floats = file.create_dataset("x", (3,), "int16")
    floats[:] = np.array([40000.0, np.inf, 1.9])
    print("40000.0, infinity and 1.9 in int16, h5py:", floats[:])
    assert floats[:].tolist() == [32767, 32767, 1]
    try:
        file.create_dataset("y", (1,), "uint8")[:] = [300]
    except OverflowError as error:
        print("a list:", error)
    else:
        raise SystemExit("h5py takes the list now")
PYTHON
