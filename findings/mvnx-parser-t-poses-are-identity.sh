#!/usr/bin/env bash
# mvnx-parser returns the identity frame of an MVNX file as its T-pose.
#
# Guess: tpose holds the frame of type "tpose", and tpose_isb the frame of type "tpose-isb".
# Seen:  both hold the frame of type "identity", in which other values stand. Calibrations that start from the T-pose
#        start from another pose. The frames of the motion are right, as text.
# Tried with mvnx-parser 0.0.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check mvnx-parser==0.0.5
cat > given.mvnx <<'MVNX'
<?xml version="1.0" encoding="UTF-8"?>
<mvnx version="4" xmlns="http://www.xsens.com/mvn/mvnx">
  <subject label="subject" frameRate="60" segmentCount="1">
    <segments><segment id="1" label="Pelvis"/></segments>
    <frames segmentCount="1" sensorCount="0" jointCount="0">
      <frame time="0" index="" type="identity"><orientation>1 0 0 0</orientation><position>0 0 0.9</position></frame>
      <frame time="0" index="" type="tpose"><orientation>0 1 0 0</orientation><position>0 0 0.8</position></frame>
      <frame time="0" index="" type="tpose-isb"><orientation>0 0 1 0</orientation><position>0 0 0.7</position></frame>
      <frame time="0" index="0" type="normal"><orientation>0 0 0 1</orientation><position>0 0 0.6</position></frame>
    </frames>
  </subject>
</mvnx>
MVNX
environment/bin/python - <<'PYTHON'
from mvnx_parser import Mvnx_p

file = Mvnx_p("given.mvnx")
print("identity:", file.identity, "tpose:", file.tpose, "tpose_isb:", file.tpose_isb, "motion:", file.frames)
assert file.identity == {"orientation": [["1", "0", "0", "0"]], "position": [["0", "0", "0.9"]]}
assert file.tpose == file.tpose_isb == file.identity
assert file.frames == [{"orientation": [["0", "0", "0", "1"]], "position": [["0", "0", "0.6"]]}]
PYTHON
