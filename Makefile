# `make demo` and `make test` set up what they need: a virtual environment in .venv, once, and again when setup.cfg changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
# An editable install is not compiled by pip, and where PYTHONDONTWRITEBYTECODE is set it never would be.
COMPILE := $(BIN)/python -m compileall -q -x '/\.' .

.PHONY: demo test lint types check docs mutants clean

demo: $(VENV)/base.stamp
	$(BIN)/python samples/demo.py

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The linter and the type checker, as they must pass before a commit.
check: lint types

lint: $(VENV)/dev.stamp
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

# mypy cannot follow the editable install, so it looks at an installed copy.
types: $(VENV)/dev.stamp
	rm -rf .cache/types build && $(PIP) install --no-deps --target .cache/types . && rm -rf build
	cd .cache/types && $(CURDIR)/$(BIN)/python -m mypy --config-file $(CURDIR)/setup.cfg -p trtzoo

$(VENV)/bin/python:
	$(PYTHON) .ci/make_venv.py $(VENV)

$(VENV)/base.stamp: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(PIP) install -e '.[opencv,rtx]'
	$(COMPILE)
	touch $@

# Ultralytics' own requirements would bring a CUDA build of torch; what it needs of them is in the dev extra.
$(VENV)/dev.stamp: setup.cfg pyproject.toml tests/requirements.txt | $(VENV)/bin/python
	$(PIP) install -e '.[opencv,rtx,dev]'
	$(PIP) install --no-deps -r tests/requirements.txt
	$(COMPILE)
	touch $@ $(VENV)/base.stamp

# The reference of the Python API from the docstrings, and the schemas of JSON files from the classes that they are made of.
docs: $(VENV)/dev.stamp
	$(BIN)/python docs/make_api.py
	$(BIN)/python docs/make_schemas.py

# Breaks the lines of tests/tools/mutants.yaml one at a time and names those that no test misses: `make mutants ONLY=nms`.
mutants: $(VENV)/dev.stamp
	$(BIN)/python tests/tools/mutants.py $(ONLY)

clean:
	rm -rf $(VENV) .cache build dist demo *.egg-info
