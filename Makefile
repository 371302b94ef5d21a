# Each target does everything it needs on a fresh machine: the environment, the installation, the job.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Sources of the compiled kernels: a change builds them anew.
KERNELS := $(shell find labelcodec -name '*.h' -o -name '*.pyx' -o -name '*.pxd')

.PHONY: demo test core plugin pillow check format

demo: $(VENV)/.ready
	$(BIN)/labelcodec demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch goes first and by its exact version: a range would be free to bring a newer, larger build.
$(VENV)/.ready: pyproject.toml constraints.txt setup.py $(KERNELS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

# The installation without extras, in an environment of its own.
core:
	$(PYTHON) -m venv --clear $(VENV)-core
	$(VENV)-core/bin/python -m pip install --quiet -c constraints.txt .
	$(VENV)-core/bin/python tests/core_install.py

# Pixels must not depend on the installed Pillow.
pillow: $(VENV)/.ready
	$(BIN)/python tests/pillow_versions.py

plugin: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --no-deps examples/plugin
	$(BIN)/python -m pytest examples/test_plugin.py

# The documentation site, in an environment of its own; broken links are errors.
site:
	$(PYTHON) -m venv --clear $(VENV)-site
	$(VENV)-site/bin/python -m pip install --quiet -r docs/requirements.txt
	NO_MKDOCS_2_WARNING=1 $(VENV)-site/bin/mkdocs build --quiet

# What is uploaded to the package index: a source distribution and a wheel of it, the same bytes each time.
dist:
	$(PYTHON) -m venv --clear $(VENV)-dist
	$(VENV)-dist/bin/python -m pip install --quiet build twine
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(VENV)-dist/bin/python -m build --outdir dist .
	$(VENV)-dist/bin/python -m twine check --strict dist/*
