# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Each builds its own .venv first and skips that when nothing has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test lint types check test-slow test-portable mutants docs benchmark clean

help:  ## List the targets.
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.examples  ## Train CARE on protein point clouds and compare it with its rivals.
	$(BIN)/python examples/protein_care.py --out runs/demo

test: lint types check  ## Lint, type-check and test: what CI runs.

lint: $(VENV)/.dev  ## Ruff.
	@echo "== Ruff"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Pyright.
	@echo "== Pyright: about a minute"
	$(BIN)/pyright

check: $(VENV)/.dev  ## The fast tests.
	@echo "== The fast tests: some minutes"
	$(BIN)/python -m pytest -n 2 -m "not slow" -q

test-slow: $(VENV)/.dev  ## The tests that take minutes.
	$(BIN)/python -m pytest -m slow -q

test-portable: $(VENV)/.dev  ## The fast tests along other processors' code paths: 45 minutes.
	$(BIN)/python -m tests.portable

mutants: $(VENV)/.dev  ## Break the library line by line; every mutant must fail the tests.
	$(BIN)/python -m tests.mutants

docs: $(VENV)/.dev  ## Build the documentation, strictly and offline, into docs/_build/html.
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

benchmark: $(VENV)/.dev  ## The pytest-benchmark suites.
	$(BIN)/python -m pytest benchmarks -q --benchmark-enable --benchmark-only

clean:  ## Remove the environment and everything that was built.
	rm -rf $(VENV) docs/_build docs/api/generated runs build dist *.egg-info

$(BIN)/python:
	@echo "== A virtual environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)

# An extra is installed again when what it installs may have changed.
$(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "== What equiform[$*] needs: some minutes the first time"
	$(INSTALL) --editable ".[$*]"
	@touch $@
