#!/usr/bin/env bash
# safetensors 0.8 saves a transposed NumPy array with its values in other places.
#
# Guess: safetensors.numpy saves what the array shows, as 0.7 does and np.save, or refuses, as safetensors.torch does:
#        the documentation asks for contiguous arrays.
# Seen:  0.8.0 writes the memory of the array under the shape of the view, without a warning. Of the transpose of
#        [[0, 1, 2], [3, 4, 5]] comes back [[0, 1], [2, 3], [4, 5]]. 0.7.0 brings back [[0, 3], [1, 4], [2, 5]].
# Why it matters: joints x frames x 3 turned to frames x joints x 3 is such an array, and so is an array in Fortran order.
# Tried with safetensors 0.8.0 and 0.7.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
for version in 0.7.0 0.8.0; do
    environment/bin/python -m pip install --quiet --disable-pip-version-check safetensors==$version numpy==2.3.5
    environment/bin/python - $version <<'PYTHON'
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

rows = np.arange(6.0).reshape(2, 3)
arrays = {"transposed": rows.T, "fortran": np.asfortranarray(rows), "copy": np.ascontiguousarray(rows.T)}
save_file(arrays, "arrays.safetensors")
seen = load_file("arrays.safetensors")
equal = {name: np.array_equal(seen[name], array) for name, array in arrays.items()}
print("safetensors", sys.argv[1], "transposed:", seen["transposed"].tolist(), "equal:", equal)
assert seen["transposed"].shape == (3, 2)
assert equal["copy"]
assert equal["transposed"] == equal["fortran"] == (sys.argv[1] == "0.7.0")
PYTHON
done
