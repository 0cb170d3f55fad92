#!/usr/bin/env bash
# pebble gives one TimeoutError for a whole chunk, so later results move up.
#
# Guess: the results of ProcessPool.map stand in the order of the inputs, one for each, whatever the chunksize: a task that
#        raises or exceeds its time takes its own place.
# Seen:  of seven tasks in chunks of three, of which the second exceeds its time, five entries come back: a TimeoutError for
#        the first chunk, whose first task was done, and the last four results. The result of the fourth input is the second
#        entry. A task that raises an error takes its own place, and with chunksize=1 the slow one does, too. The
#        documentation says that the time is counted by chunks, and nothing of lost entries.
# Why it matters: results that are zipped with their clips then belong to other clips.
# Tried with pebble 5.2.3, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pebble==5.2.3
cat > tasks.py <<'PYTHON'
import time

from pebble import ProcessPool


def sleep_at_one(value):
    if value == 1:
        time.sleep(60)
    return 10 * value


def raise_at_one(value):
    if value == 1:
        raise ValueError(value)
    return 10 * value


def collect(function, chunksize):
    with ProcessPool(max_workers=2) as pool:
        results = pool.map(function, range(7), chunksize=chunksize, timeout=3).result()
        while True:
            try:
                yield next(results)
            except StopIteration:
                return
            except (ValueError, TimeoutError) as error:
                yield type(error).__name__


if __name__ == "__main__":
    seen = {(function.__name__, size): list(collect(function, size))
            for function in (sleep_at_one, raise_at_one) for size in (1, 3)}
    print("entries by task and chunksize:", seen)
    assert seen["sleep_at_one", 3] == ["TimeoutError", 30, 40, 50, 60]
    assert seen["sleep_at_one", 1] == [0, "TimeoutError", 20, 30, 40, 50, 60]
    assert seen["raise_at_one", 1] == seen["raise_at_one", 3] == [0, "ValueError", 20, 30, 40, 50, 60]
PYTHON
environment/bin/python tasks.py
