# `make` alone tells what there is. Every target stops at its first failing step.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up down status test lint bench lock clean

VENV := .venv
BIN := $(VENV)/bin
# uv lives in an environment of its own: `uv pip sync` removes from $(VENV) all that is not locked, also itself.
BOOTSTRAP := $(VENV)/bootstrap
UV_VERSION := 0.13.9
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) UV_COMPILE_BYTECODE=1 $(BOOTSTRAP)/bin/uv

# A candidate must run and have what we need: some version managers put programs on the PATH that only
# say which version to install, and some builds lack SQLite or TLS.
CANDIDATES := python3.11 python3.12 python3.13 python3 python $(wildcard $(HOME)/.pyenv/versions/3.1[123].*/bin/python)
USABLE := import sys, venv, ensurepip, sqlite3, ssl, ctypes; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

help: ## Show what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Make .venv from the lock (done again only when a lock changes)

$(BOOTSTRAP)/.uv-$(UV_VERSION):
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
		for candidate in $(CANDIDATES); do \
			if "$$candidate" -c '$(USABLE)' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
		done; \
	fi; \
	if [ -z "$$python" ]; then \
		echo "No usable Python 3.11, 3.12 or 3.13 found (with venv, sqlite3 and ssl). Name one: make setup PYTHON=/path/to/python" >&2; \
		exit 2; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version) ($$python)"; \
	"$$python" -m venv --clear --without-pip $(VENV); \
	"$$python" -m venv $(BOOTSTRAP); \
	$(BOOTSTRAP)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.installed: requirements.txt requirements-dev.txt pyproject.toml $(BOOTSTRAP)/.uv-$(UV_VERSION)
	@$(UV) pip sync --require-hashes requirements.txt requirements-dev.txt
	@$(UV) pip install --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Retrain, gate, approve and promote the example model on a stack started for it
	@$(BIN)/assay demo

up: setup ## Start Airflow, MLflow, the gateway and the signer on this machine
	@$(BIN)/assay up

down: setup ## End them and everything that they started
	@$(BIN)/assay down

status: setup ## Show how each of them is (exit 1 unless all serve)
	@$(BIN)/assay status

test: setup ## Run every test
	@$(BIN)/pytest -n 2 --dist loadfile

lint: setup ## Check style, format and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: setup ## Measure each headline figure beside its peer
	@for bench in bench/[!_]*.py; do echo "== $$bench"; $(BIN)/python "$$bench"; done

lock: setup ## Resolve the locks anew, for Python 3.11 to 3.13 at once, with the SHA-256 of every file
	@$(UV) pip compile --universal --python-version 3.11 --custom-compile-command "make lock" --generate-hashes --upgrade --quiet \
		--output-file requirements.txt requirements.in
	@$(UV) pip compile --universal --python-version 3.11 --custom-compile-command "make lock" --generate-hashes --upgrade --quiet \
		--output-file requirements-dev.txt requirements-dev.in

clean: ## Remove .venv, caches and all local state (.assay); ends the stack first
	@if [ -x $(BIN)/assay ] && [ -e .assay/stack.json ]; then $(BIN)/assay down; fi
	@rm -rf $(VENV) .assay .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
