# `make demo` and `make test` need Python 3.11 to 3.13 and make, and nothing else.
# PYTHON chooses the interpreter (`make test PYTHON=python3.13`), VENV the folder of the environment. What is installed
# is the known good set of requirements.lock; LOCK= (empty) takes the newest of everything instead.

PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
JOBS ?= 2
LOCK ?= requirements.lock
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check $(addprefix -c ,$(LOCK))
PY := $(VENV)/bin/python
export KERAS_BACKEND := jax

.PHONY: help demo test test-newest test-versions check format docs fuzz bench scaling lock clean

help:
	@echo "make demo    train four networks on real data, with pictures"
	@echo "make test    run the tests (arguments: TESTS=tests/test_files.py ARGS=-x, ARGS=--durations=50, JOBS=8)"
	@echo "make test-newest    the same with the newest release of everything"
	@echo "make test-versions  install, demo and some tests on each Python that is here, with the oldest and newest JAX"
	@echo "make check   formatting, lint, types, architecture"
	@echo "make docs    build the site into build/docs: pages, pictures, reference; a dead link is an error"
	@echo "make fuzz    damage files of every format, and see that each ends well (ARGS='--count 100000 yaml')"
	@echo "make bench   compare with what else could be used"
	@echo "make scaling time and memory over the number of rows"
	@echo "make lock    write requirements.lock anew, from the newest releases"
	@echo "make format  reformat the code"
	@echo "make clean   remove the environment and everything that was built"

demo: $(VENV)/.demo-ready
	$(PY) -m keraunos demo $(ARGS)

# Each process begins with tests that stand side by side, which share compiled programs, and steals when it has no more.
test: $(VENV)/.dev-ready
	$(PY) -m pytest -n $(JOBS) --dist worksteal $(TESTS) $(ARGS)

test-newest:
	$(MAKE) test LOCK= VENV=$(VENV)-newest

test-versions: | $(PY)
	$(PY) tests/versions.py $(ARGS)

check: $(VENV)/.dev-ready
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/test_architecture.py

# From the oldest Python, so that each release is one that all of them can have.
lock:
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev,docs]'
	build/lock/bin/python -m pip freeze --exclude keraunos > requirements.lock

format: $(VENV)/.dev-ready
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

# All anew each time: a page that is kept would keep its warnings to itself. Whether the other examples of the pages print
# what they say is for `make test TESTS=tests/test_docs.py`.
docs: $(VENV)/.docs-ready
	$(PY) -m sphinx --quiet --fresh-env --fail-on-warning --keep-going --doctree-dir build/doctrees docs build/docs
	@echo "The site begins at build/docs/index.html."

fuzz: $(VENV)/.dev-ready
	$(PY) tests/fuzz.py $(ARGS)

# The contestants need an environment of their own: TensorFlow and Flax must not decide what the others here get.
bench: $(BENCH_VENV)/.ready
	$(BENCH_VENV)/bin/python benchmarks/run.py $(ARGS)

scaling: $(BENCH_VENV)/.ready
	$(BENCH_VENV)/bin/python benchmarks/scaling.py $(ARGS)

clean:
	rm -rf $(VENV) $(VENV)-newest .venv-versions $(BENCH_VENV) build .cache .pytest_cache .mypy_cache .ruff_cache *.egg-info

$(PY):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Keraunos needs Python 3.11 or newer, and \
	$(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)

# The demo needs no development tools; where they are installed, it needs nothing at all.
$(VENV)/.demo-ready: pyproject.toml $(LOCK) | $(PY)
	$(PY) $(PIP_INSTALL) -e '.[plots]'
	@touch $@

$(VENV)/.dev-ready: pyproject.toml $(LOCK) | $(PY)
	$(PY) $(PIP_INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.demo-ready

$(VENV)/.docs-ready: $(VENV)/.dev-ready
	$(PY) $(PIP_INSTALL) -e '.[dev,docs]'
	@touch $@

$(BENCH_VENV)/.ready: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e . -r benchmarks/requirements.txt
	@touch $@
