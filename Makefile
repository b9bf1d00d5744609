# The only interface, for people and for CI. `make` alone lists what there is.

PYTHON ?= python3
VENV ?= .venv
# Extra pins or none; CI empties it to try the newest releases.
CONSTRAINTS ?= constraints.txt
# More than a small machine has cores: many tests wait for clocks and processes.
PYTEST_WORKERS ?= 4

BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
# Of its own: the peers hold Django back.
BENCH_VENV ?= .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed-bench
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS))

.DEFAULT_GOAL := help
.PHONY: help demo test faults campaign mutants bench check lint fix docs constraints clean

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(RUN_STAMP)  ## Fire 1,000 events through two processes, kill one, read out the verdict
	@$(BIN)/duly demo

test: $(DEV_STAMP)  ## Run the tests, on real PostgreSQL and Redis that they start themselves
	@$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --dist worksteal -m "not campaign" $(ARGS)

faults: $(DEV_STAMP)  ## Run only the tests that break things; SEED=7 adds the whole campaign
	@$(BIN)/python -m pytest -q tests/faults $(ARGS)
	@$(if $(SEED),$(BIN)/python -m tests.faults.campaign.run --seed $(SEED))

campaign: $(DEV_STAMP)  ## 20,000 events, 40 faults, and a judge; ARGS="--seed 7 --database sqlite"
	@$(BIN)/python -m tests.faults.campaign.run $(ARGS)

mutants: $(DEV_STAMP)  ## Take safeguards out one by one; the campaign must find each
	@$(BIN)/python -m tests.faults.mutants

bench: $(BENCH_STAMP)  ## Fire with duly and its peers side by side; ARGS="--scenario burst"
	@$(BENCH_VENV)/bin/python -m benchmarks.firing $(ARGS)

check: lint docs  ## Lint, types, layers, documentation, migrations up to date

lint: $(DEV_STAMP)  ## The same without the documentation, which make test tries as well
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@cd examples/clinic && PYTHONPATH=. $(abspath $(BIN))/mypy
	@$(BIN)/lint-imports
	@DJANGO_SETTINGS_MODULE=tests.settings PYTHONPATH=. $(BIN)/django-admin makemigrations --check --dry-run duly

docs: $(DEV_STAMP)  ## Test that the documentation is true: links, examples, tables
	@$(BIN)/python -m pytest -q tests/docs

fix: $(DEV_STAMP)  ## Format, and mend what ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

constraints: $(DEV_STAMP)  ## Renew constraints.txt from pyproject.toml
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--no-emit-index-url --no-header --no-annotate --extra dev -o constraints.txt pyproject.toml

clean:  ## Remove the virtual environment and every cache
	rm -rf $(VENV) $(BENCH_VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "duly needs Python 3.11 or newer, and $(PYTHON) is not; say which is: make PYTHON=python3.12" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m virtualenv --quiet $(VENV) 2>/dev/null; } || { \
		echo "no virtual environment can be made: install Python's venv module (python3-venv) or virtualenv" >&2; exit 1; }

# What the tests need includes what the demo needs.
$(RUN_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@[ $(DEV_STAMP) -nt pyproject.toml ] && [ $(DEV_STAMP) -nt constraints.txt ] || { \
		echo "Installing duly into $(VENV) ..."; $(PIP) -e .; }
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing duly and its development tools into $(VENV) ..."
	@$(PIP) -e '.[dev]'
	@touch $@

# Without constraints.txt: its Django is newer than some peers allow.
$(BENCH_STAMP): pyproject.toml
	@echo "Installing duly and its peers into $(BENCH_VENV) ..."
	@$(MAKE) --no-print-directory VENV=$(BENCH_VENV) $(BENCH_VENV)/bin/python
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@
