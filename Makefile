# Everything a newcomer needs: `make motion` runs the main job, `make test` the tests, `make docs` builds the site. Each
# sets up what it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := .venv/.installed
INSTALLED_FOR_TESTS := .venv/.installed-for-tests
INSTALLED_FOR_DOCS := .venv/.installed-for-docs
MOCAP ?= $(or $(SELFCORRECT_SHARED),../shared)/mocap/cmu-bvh.tar.gz

.PHONY: setup motion test campaign test-fast lint types docs results bench clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"selfcorrect needs Python 3.11 or newer, {sys.executable} is {v.major}.{v.minor}; try: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(INSTALLED_FOR_TESTS): $(INSTALLED)
	$(PIP) install --constraint constraints.txt --editable '.[dev,fbx,mujoco,ray,remote,text,train,usd,viewer]'
	touch $@

$(INSTALLED_FOR_DOCS): $(INSTALLED)
	$(PIP) install --constraint constraints.txt --editable '.[docs]'
	touch $@

motion: $(INSTALLED)
	$(BIN)/selfcorrect motion

# A process takes whole files, whose tests share what is costly to make, and in their order: long ones come early.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(INSTALLED_FOR_TESTS)
	$(PYTEST)

# Damages files, options, run folders and disks for about half an hour; SCALE=0.1 for a tenth of it.
campaign: $(INSTALLED_FOR_TESTS)
	$(BIN)/python tests/campaign/campaign.py --scale $(or $(SCALE),1)

test-fast: $(INSTALLED_FOR_TESTS)
	$(PYTEST) -m 'not slow'

lint: $(INSTALLED_FOR_TESTS) types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error

# What reads the code without running it, the type checker and the site, does not know the editable install's folder
# mapping, so it is given an ordinary install beside it.
types: $(INSTALLED)
	rm -rf build/lib build/types
	$(PIP) install --quiet --no-deps --upgrade --target build/types .

# `python -m http.server --directory build/site` shows it, with its search.
docs: $(INSTALLED_FOR_DOCS) types
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Tables and figures of the results pages, from docs/results/*.json.
results: $(INSTALLED_FOR_DOCS)
	$(BIN)/python docs/tools/results.py

# Ratios against references measured in the same run; MOCAP is the CMU set, as a folder or an archive.
bench: $(INSTALLED_FOR_TESTS)
	$(BIN)/python experiments/benchmarks/tracking.py $(MOCAP) --engine pybullet mujoco
	$(BIN)/python experiments/benchmarks/judge.py $(MOCAP) --every 4
	$(BIN)/python experiments/benchmarks/frontier.py $(MOCAP) --every 4 --out build/frontier
	$(BIN)/python experiments/benchmarks/correction.py $(MOCAP) --every 4
	$(BIN)/python experiments/benchmarks/throughput.py
	$(BIN)/python experiments/benchmarks/startup.py
	$(BIN)/python experiments/benchmarks/formats.py $(MOCAP)

clean:
	rm -rf .venv build
