# Each target works first in a fresh clone: it makes .venv and installs what it needs, once.
# Needs: python3 >= 3.11 with venv, and make. PYTHON=python3.12 chooses another interpreter.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help demo test check bench notebooks lab exercise clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       run seven services and the gateway before them, until Ctrl-C"
	@echo "make test       run all tests"
	@echo "make check      lint, types, layers"
	@echo "make bench      measure this gateway beside others, in one run"
	@echo "make notebooks  run every notebook and compare it with what is stored"
	@echo "make lab        open the notebooks in Jupyter"
	@echo "make exercise   list the exercises; make exercise N=3 runs one"
	@echo "make clean      remove .venv and caches"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "error: $(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.12"; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "error: the venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip

# A stamp for each set of packages, renewed when pyproject.toml changes.
$(VENV)/.core: pyproject.toml $(BIN)/python
	@echo "installing the gateway"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: pyproject.toml $(BIN)/python
	@echo "installing the gateway and what its tests need"
	@$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.core

$(VENV)/.check: pyproject.toml $(BIN)/python
	@echo "installing the gateway, its tests' needs, linters and the type checker"
	@$(BIN)/python -m pip install --quiet --editable '.[test,check,bench]'
	@touch $@ $(VENV)/.core $(VENV)/.test

$(VENV)/.bench: pyproject.toml $(BIN)/python
	@echo "installing the gateway and what it is measured against"
	@$(BIN)/python -m pip install --quiet --editable '.[bench,speed]'
	@touch $@ $(VENV)/.core

$(VENV)/.notebooks: pyproject.toml $(BIN)/python
	@echo "installing the gateway, Jupyter, matplotlib and the limiters that it is compared with"
	@$(BIN)/python -m pip install --quiet --editable '.[notebooks]'
	@touch $@ $(VENV)/.core

demo: $(VENV)/.core
	@$(BIN)/api-gateway demo

test: $(VENV)/.test
	@$(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/.check
	@echo "ruff: lint" && $(BIN)/ruff check .
	@echo "ruff: format" && $(BIN)/ruff format --check .
	@echo "mypy: types" && $(BIN)/mypy
	@# One at a time: each has a module of the same name.
	@echo "mypy: exercises" && for folder in exercises/[0-9]*; do $(BIN)/mypy --no-error-summary $$folder || exit 1; done
	@echo "import-linter: layers" && $(BIN)/lint-imports

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks

notebooks: $(VENV)/.notebooks
	@$(BIN)/python -m notebooks.runner

lab: $(VENV)/.notebooks
	@$(BIN)/jupyter lab notebooks

# Exit code 1 says that the exercise is not solved: that is no failure of make.
exercise: $(VENV)/.core
	@$(BIN)/python -m exercises $(N) || [ $$? -eq 1 ]

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
