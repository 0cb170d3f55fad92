#!/usr/bin/env bash
# numcodecs' BitRound turns the NaN of CUDA into -0.0 and the NA of R into infinity.
#
# Guess: rounding the mantissa keeps a NaN a NaN, whatever its bits, so gaps stay gaps.
# Seen:  the rounding adds to the integer of the bits. 0x7fffffff, the NaN that PTX defines as canonical for float32, carries
#        into the sign and comes back as -0.0, and 0xffffffff as 0.0. 0x7ff00000000007a2, the NA of R in float64, loses its
#        low bits and comes back as infinity. NumPy's nan and the NaN of 0/0 on x86 stay. netCDF's BitRound keeps all, but its
#        GranularBitRound turns infinity into -0.0. Nothing is said.
# Why it matters: a gap becomes a pose at the origin or an angle of 0, in a store that is said to lose only digits.
# Tried with numcodecs 0.16.6, netCDF4 1.7.5.1.post1, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    numcodecs==0.16.6 netCDF4==1.7.5.1.post1 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
import netCDF4
import numcodecs
import numpy as np

singles = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000, 0xFFC00000], np.uint32).view(np.float32)
double = np.array([0x7FF00000000007A2], np.uint64).view(np.float64)
assert np.isnan(singles).all()
assert np.isnan(double).all()


def round_numcodecs(values):
    codec = numcodecs.BitRound(keepbits=12)
    return np.array(codec.decode(codec.encode(values.copy()))).view(values.dtype)


def round_netcdf(values, mode):
    with netCDF4.Dataset("rounded.nc", "w") as file:
        file.createDimension("frame", len(values))
        options = {"zlib": True, "significant_digits": 5, "quantize_mode": mode, "fill_value": False}
        file.createVariable("x", values.dtype, ("frame",), **options)[:] = values
    with netCDF4.Dataset("rounded.nc") as file:
        file.set_auto_mask(False)
        return file["x"][:]


rounded, of_r = round_numcodecs(singles), round_numcodecs(double)
modes = {mode: round_netcdf(np.append(singles, np.float32(np.inf)), mode) for mode in ("BitRound", "GranularBitRound")}
print("numcodecs:", rounded, of_r, "netCDF, with infinity last:", modes)
assert np.array_equal(rounded, [0, 0, np.nan, np.nan], equal_nan=True)
assert np.signbit(rounded[0])
assert np.array_equal(of_r, [np.inf])
assert np.isnan(modes["BitRound"][:4]).all()
assert np.isnan(modes["GranularBitRound"][:4]).all()
assert modes["BitRound"][4] == np.inf
assert modes["GranularBitRound"][4] == 0
PYTHON
