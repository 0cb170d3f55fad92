#!/usr/bin/env bash
# hdf5plugin's SZ3 brings the NaN of a gap back as numbers; its SZ keeps the NaN.
#
# Guess: SZ3(absolute=0.001) keeps NaN, as SZ(absolute=0.001) of the same package does.
# Seen:  in a walk of 64 frames, 20 points and 3 coordinates (float32 and float64) that stays below 50, a gap of four frames of
#        one point comes back from SZ as NaN, from SZ3 as numbers (below -1,000,000 on x86-64) and from
#        Zfp(accuracy=0.001) as numbers up to 32. All other values keep the bound. Zfp(reversible=True) keeps the NaN.
#        Nothing is said.
# Why it matters: NaN marks the gaps of markers; who reads the file sees no gap.
# Tried with hdf5plugin 7.1.0, h5py 3.16.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check hdf5plugin==7.1.0 h5py==3.16.0 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
import h5py
import hdf5plugin
import numpy as np

walk = np.cumsum(np.random.default_rng(0).normal(size=(64, 20, 3)), axis=0)
walk[10:14, 3] = np.nan
gap = np.isnan(walk)
assert np.nanmax(np.abs(walk)) < 50


def find_gap(codec, kind):
    """Return the values that come back in the gap, and the largest error elsewhere."""
    given = walk.astype(kind)
    with h5py.File("walk.h5", "w") as file:
        file.create_dataset("walk", data=given, chunks=given.shape, compression=codec)
    with h5py.File("walk.h5") as file:
        seen = file["walk"][:]
    return seen[gap], np.abs(seen - given)[~gap].max()


for kind in (np.float32, np.float64):
    gaps, errors = {}, {}
    for name, codec in {
        "SZ": hdf5plugin.SZ(absolute=1e-3),
        "SZ3": hdf5plugin.SZ3(absolute=1e-3),
        "Zfp": hdf5plugin.Zfp(accuracy=1e-3),
        "reversible": hdf5plugin.Zfp(reversible=True),
    }.items():
        gaps[name], errors[name] = find_gap(codec, kind)
    print(kind.__name__, "first frame of the gap:", {name: values[:3].tolist() for name, values in gaps.items()})
    assert max(errors.values()) <= 1e-3
    assert np.isnan(gaps["SZ"]).all()
    assert np.isnan(gaps["reversible"]).all()
    assert np.isfinite(gaps["SZ3"]).all()
    assert np.isfinite(gaps["Zfp"]).all()
PYTHON
