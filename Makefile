# Everything a newcomer needs: `make motion` runs the main job, `make test` the tests, `make docs` builds the site. Each
# sets up what it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(if $(filter Windows_NT,$(OS)),.venv/Scripts,.venv/bin)
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt --editable
INSTALLED := .venv/.installed
INSTALLED_FOR_LOOPS := .venv/.installed-for-loops
INSTALLED_FOR_TESTS := .venv/.installed-for-tests
INSTALLED_FOR_NIGHTS := .venv/.installed-for-nights
INSTALLED_FOR_DOCS := .venv/.installed-for-docs
MOCAP ?= $(or $(SELFCORRECT_SHARED),../shared)/mocap/cmu-bvh.tar.gz

.PHONY: setup motion test test-base test-all test-nightly campaign test-fast lint types docs results bench blender blender-platform wheels release release-check clean

# Corrects, checks, converts and shows motion; what loops need beside it comes with `make motion`.
setup: $(INSTALLED)

$(INSTALLED): pyproject.toml setup.py selfcorrect/motion/geometry/_kernels.c constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"selfcorrect needs Python 3.11 or newer, {sys.executable} is {v.major}.{v.minor}; try: make PYTHON=/path/to/python3.11")'
	@echo "Installing selfcorrect and what it needs into .venv …"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) .
	@touch $@

$(INSTALLED_FOR_LOOPS): $(INSTALLED)
	@echo "Installing what loops need, with PyTorch and W&B, into .venv; the first time takes some minutes …"
	@$(INSTALL) '.[loops]'
	@touch $@

$(INSTALLED_FOR_TESTS): $(INSTALLED)
	@echo "Installing what tests need into .venv …"
	@$(INSTALL) '.[all,dev]'
	@$(BIN)/python -m compileall -q selfcorrect simulators datasets experiments commands
	touch $@

# Ray, Slurm's submitit and a server of S3: 100 MB that the tests of each change do without.
$(INSTALLED_FOR_NIGHTS): $(INSTALLED_FOR_TESTS)
	$(INSTALL) '.[nightly]'
	touch $@

$(INSTALLED_FOR_DOCS): $(INSTALLED)
	$(INSTALL) '.[docs,loops]'
	touch $@

# OPTIONS are those of `selfcorrect motion`, such as OPTIONS='--preset quick --engine mujoco'.
motion: $(INSTALLED_FOR_LOOPS)
	$(BIN)/selfcorrect motion $(OPTIONS)

# A process takes whole files, whose tests share what is costly to make, and in their order: long ones come early. With
# SHUFFLE=SEED, files and tests come in a random order that the seed gives. Global generators are left as they are.
# LIST_S=10 lists tests without a mark that take more processor time, in s. No test fails because a core is slow.
# Bytecode is kept even where the environment forbids it, so that only the first process compiles the tests.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
	--no-loadscope-reorder $(if $(SHUFFLE),-p randomly --randomly-seed=$(SHUFFLE) --randomly-dont-reset-seed) \
	$(if $(LIST_S),--list-slower $(LIST_S))

# MARKS picks some of the tests, such as MARKS=slow; so it does for test-all.
test: tests $(INSTALLED_FOR_TESTS)
	$(PYTEST) -m 'not long and not nightly$(if $(MARKS), and ($(MARKS)))'

# Installations and faults of disks, too.
test-all: tests $(INSTALLED_FOR_TESTS)
	$(PYTEST) -m 'not nightly$(if $(MARKS), and ($(MARKS)))'

# What the base installation promises, in an environment of its own without extras; tests that need any are skipped.
test-base: tests
	test -d .venv-base || $(PYTHON) -m venv .venv-base
	.venv-base/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt --editable . \
	    pytest pytest-xdist hypothesis psutil packaging
	$(subst $(BIN),.venv-base/bin,$(PYTEST)) -m 'not slow and not long and not nightly$(if $(MARKS), and ($(MARKS)))'

# The experiments of all pages, in a small size.
test-nightly: tests $(INSTALLED_FOR_NIGHTS)
	$(PYTEST) -m nightly

tests:
	@echo "The tests are in the repository, not in a release." >&2; exit 1

# Damages files, options, run folders and disks for about half an hour, SCALE times as many as `make test-all` does.
campaign: tests $(INSTALLED_FOR_TESTS)
	ROBUSTNESS_SCALE=$(or $(SCALE),20) $(PYTEST) tests/robustness

test-fast: $(INSTALLED_FOR_TESTS)
	$(PYTEST) -m 'not slow and not long and not nightly'

lint: $(INSTALLED_FOR_TESTS) types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error

# What reads the code without running it, the type checker and the site, does not know the editable install's folder
# mapping, so it is given an ordinary install beside it.
types: $(INSTALLED)
	rm -rf build/lib build/lib.* build/types
	$(PIP) install --quiet --no-deps --upgrade --target build/types .

# `python -m http.server --directory build/site` shows it, with its search.
docs: $(INSTALLED_FOR_DOCS) types
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Tables and figures of the results pages, from docs/results/*.json.
results: $(INSTALLED_FOR_DOCS)
	$(BIN)/python docs/tools/results.py

# Ratios against references measured in the same run; MOCAP is the CMU set, as a folder or an archive.
bench: $(INSTALLED_FOR_TESTS)
	$(BIN)/python -m benchmarks.speed $(MOCAP)

# The extension for Blender as one file, which Blender installs, with the program's own wheel in it: docs/blender.md.
# The wheel suits every system: it has no compiled kernels.
blender:
	rm -rf build/lib build/blender && mkdir -p build/blender
	cp blender/*.py blender/*.toml build/blender/
	SELFCORRECT_PURE=1 $(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/blender/program .
	rm -rf build/lib
	$(PYTHON) -m zipfile -c build/selfcorrect-blender.zip build/blender/*.py build/blender/*.toml build/blender/program

# The same for Blender's platform of extensions, for 4.5 to 5.0 and for 5.1 on: the wheels of all dependencies are in it,
# for Linux, so that nothing is installed later. Looks up the wheels of the other systems.
blender-platform: $(INSTALLED_FOR_TESTS)
	$(BIN)/python tools/blender_platform.py

# Whether every dependency has wheels for every Python and system; asks the package index.
wheels: $(INSTALLED_FOR_TESTS)
	$(BIN)/python tools/check_wheels.py

# Builds wheel and sdist into build/release, looks into them, and runs the README's commands from the sdist. MOTION=1
# runs `make motion` there, too, with a tiny experiment: it installs PyTorch.
release-check:
	rm -rf build/release && mkdir -p build/release
	$(PYTHON) -m venv build/release/.venv
	build/release/.venv/bin/python -m pip install --quiet --disable-pip-version-check 'build>=1.2' 'twine>=6'
	build/release/.venv/bin/python tools/check_release.py build/release $(if $(MOTION),--motion)

# What a release offers for download, into build/release-files: wheels, sdist, the extension for Blender, digests and
# notes. docs/releasing.md has the steps before and after.
release:
	rm -rf build/release-files
	test -d build/release-tools || $(PYTHON) -m venv build/release-tools
	build/release-tools/bin/python -m pip install --quiet --disable-pip-version-check 'build>=1.2' 'setuptools>=77' wheel
	build/release-tools/bin/python tools/make_release.py build/release-files

clean:
	rm -rf .venv build
