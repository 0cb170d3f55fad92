#!/usr/bin/env bash
# USD moves the samples of a sublayer or reference that counts its time otherwise.
#
# Guess: time samples keep their numbers, so a layer of 60 time codes per second plays at the rate of the stage, 24.
# Seen:  the sample at time code 60 of the layer is at 24 in the stage, through sublayers and references, also if the
#        root names no rate.
# Tried with usd-core 26.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check usd-core==26.11
environment/bin/python - <<'PYTHON'
from pxr import Sdf, Usd

layer = Sdf.Layer.CreateAnonymous()
stage = Usd.Stage.Open(layer)
stage.SetTimeCodesPerSecond(60)
value = stage.DefinePrim("/motion").CreateAttribute("value", Sdf.ValueTypeNames.Float)
value.Set(0.0, 0)
value.Set(1.0, 60)

root = Sdf.Layer.CreateAnonymous()
root.subLayerPaths.append(layer.identifier)
below = Usd.Stage.Open(root)
samples = below.GetPrimAtPath("/motion").GetAttribute("value").GetTimeSamples()
other = Usd.Stage.CreateInMemory()
other.SetTimeCodesPerSecond(30)
prim = other.DefinePrim("/copy")
prim.GetReferences().AddReference(layer.identifier, "/motion")
referenced = prim.GetAttribute("value").GetTimeSamples()
print("sublayer in a stage without a rate:", below.GetTimeCodesPerSecond(), samples, "; reference at 30:", referenced)
assert samples == [0.0, 24.0]
assert referenced == [0.0, 30.0]
PYTHON
