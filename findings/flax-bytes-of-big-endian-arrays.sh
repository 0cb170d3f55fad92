#!/usr/bin/env bash
# flax's msgpack bytes of a big-endian array come back as other numbers.
#
# Guess: to_bytes keeps an array's values, as np.save does, whatever the order of the bytes: SciPy reads netCDF files
#        into big-endian arrays.
# Seen:  0, 1, 2 in big-endian float32 comes back as 0, 4.6e-41, 9.0e-44, and 1, 2 in int16 as 256, 512, without a
#        warning: the name of the dtype is written without the order of the bytes.
# Tried with flax 0.12.8, jax 0.10.2, NumPy 2.3.5, SciPy 1.17.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    flax==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.3.5 scipy==1.17.1
environment/bin/python -W ignore - <<'PYTHON'
import numpy as np
from flax import serialization
from scipy.io import netcdf_file

with netcdf_file("walk.nc", "w") as file:
    file.createDimension("frame", 3)
    file.createVariable("height", "f4", ("frame",))[:] = [0, 1, 2]
with netcdf_file("walk.nc", mmap=False) as file:
    height = file.variables["height"][:]

seen = serialization.from_bytes({"height": np.zeros(3)}, serialization.to_bytes({"height": height}))["height"]
steps = serialization.msgpack_restore(serialization.msgpack_serialize({"steps": np.array([1, 2], ">i2")}))["steps"]
print(height.dtype.str, height.tolist(), "comes back as", seen.dtype.str, seen.tolist(), "and int16 as", steps.tolist())
assert height.dtype.str == ">f4"
assert height.tolist() == [0, 1, 2]
assert np.array_equal(seen, height.view("<f4"))
assert steps.tolist() == [256, 512]
PYTHON
