# Everything a newcomer needs: `make motion` runs the main job, `make test` the tests. Both set up what they need.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: setup motion test lint bench clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"selfcorrect needs Python 3.11 or newer, {sys.executable} is {v.major}.{v.minor}; try: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

motion: setup
	$(BIN)/selfcorrect motion

test: setup
	$(BIN)/python -m pytest

# The type checker does not know the editable install's folder mapping, so it is given an ordinary install beside it.
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/lib build/types
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target build/types .
	$(BIN)/basedpyright --level error

bench: setup
	$(BIN)/python -m selfcorrect.experiments.benchmarks

clean:
	rm -rf .venv build
