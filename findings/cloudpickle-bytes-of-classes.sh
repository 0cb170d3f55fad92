#!/usr/bin/env bash
# cloudpickle writes other bytes for the same class in every process, with a fixed hash seed, too.
#
# Guess: the same source, interpreter, cloudpickle and PYTHONHASHSEED give the same bytes, so their digest can
#        identify a class.
# Seen:  six processes give six digests of a class, because it gets a random identifier; a function has one digest.
# Tried with cloudpickle 3.1.3, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check cloudpickle==3.1.3
environment/bin/python - <<'PYTHON'
import os
import subprocess
import sys

def digests(definition):
    program = f"import hashlib, cloudpickle\n{definition}\nprint(hashlib.sha256(cloudpickle.dumps(user)).hexdigest())"
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    call = [sys.executable, "-c", program]
    runs = [subprocess.run(call, env=environment, capture_output=True, text=True, check=True) for _ in range(6)]
    return {run.stdout for run in runs}

classes, functions = digests("class user: rate = 30"), digests("def user(): return 30")
print(f"digests of six processes: class {len(classes)}, function {len(functions)}")
assert len(classes) == 6
assert len(functions) == 1
PYTHON
