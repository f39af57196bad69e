# The two commands of the README are `run` and `test`; everything else serves them.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough; `make PYTHON=/path/to/python3.12 run` overrules it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
export DAGSTER_DISABLE_TELEMETRY := yes

.DEFAULT_GOAL := help
.PHONY: help setup run test check lint bench bench-full wheels dev docs lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "wattledger needs Python 3.11 or newer; none found on PATH. Install one, or: make PYTHON=/path/to/python3 run" >&2; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version): about 1 GB, a few minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.installed ## install everything into .venv

run: setup ## measure two real jobs here and take them to the org tables and the report
	@$(BIN)/wattledger first-run

test: setup ## run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadscope $(ARGS)

check: lint ## lint, types and structure
lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup ## measure speed and size against the goals, five minutes; writes bench/RESULTS.md
	@$(BIN)/python -m bench short

bench-full: setup ## the same with 260M rows and a year of history, about an hour
	@$(BIN)/python -m bench full

wheels: setup ## build the platform wheel and the light collectors wheel into dist/
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist collectors

dev: setup ## open Dagster on this installation
	@$(BIN)/wattledger ui

docs: setup ## write the generated pages of docs/
	@$(BIN)/wattledger dictionary > docs/data-dictionary.md
	@$(BIN)/python -c "from models.embodied.validation import page; print(page(), end='')" > docs/models/embodied-validation.md
	@$(BIN)/python -c "from models.embodied.methods.page import page; print(page(), end='')" > docs/models/compatibility.md
	@$(BIN)/python -m models.prediction.validation > docs/models/prediction-validation.md
	@$(BIN)/python -m models.products.case_page > docs/models/reporting-cases.md

lock: setup ## renew requirements.lock (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-strip-extras \
		--extra platform --extra app --extra examples --extra dev pyproject.toml -o requirements.lock

clean: ## remove what was built, never the ledger in .wattledger
	@rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
