# `make help` lists the targets. Every target builds the environment that it needs, in $(VENV), from pyproject.toml.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
CHECK ?=
BACKEND ?=
# Two more than there are cores: many tests wait for a deadline, a process or a socket.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) + 2)' 2>/dev/null || echo auto)

BIN := $(VENV)/bin
# The tests start hundreds of processes, which would all compile the package anew without its bytecode.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORE := $(VENV)/.installed-core
DEV := $(VENV)/.installed-dev

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test test-all coverage check lint types security docs images screenshots imports overhead bench bench-overhead soak hard openrpc conformance fuzz wheel format venv clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1 \2/p' $(firstword $(MAKEFILE_LIST)) | \
		while read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done
	@echo
	@echo '  PYTHON=python3.12 chooses the interpreter of a new environment, ARGS="-k name" goes to pytest.'

run: $(CORE)  ## serve the demo API, examples/simple.py
	@exec $(BIN)/python examples/simple.py $(ARGS)

test: $(DEV)  ## run the whole suite, in parallel and in random order; ARGS goes to pytest
	@tools/install-browser $(BIN)/python
	@tools/install-prometheus $(VENV)/prometheus
	@$(BIN)/python tools/install-npm-packages typescript servers conformance >/dev/null
	@$(BIN)/python tools/install-mcp-client 1 2 >/dev/null
	@$(PYTEST) -n $(WORKERS) --dist worksteal $(ARGS)

test-all:  ## run the suite on every Python from 3.10 to 3.14 that this machine has
	@MAKE="$(MAKE)" tools/test-all

coverage: $(DEV)  ## run the suite and list the lines and branches that it does not reach
	@tools/install-browser $(BIN)/python
	@tools/install-prometheus $(VENV)/prometheus
	@$(BIN)/python tools/install-npm-packages typescript servers conformance >/dev/null
	@$(BIN)/python tools/install-mcp-client 1 2 >/dev/null
	@$(PYTEST) -n auto --dist worksteal --cov --cov-report=term $(ARGS)

check: $(DEV)  ## ruff, mypy --strict, bandit, pip-audit, the imports, the documentation, the overhead; all, even after a failure
	@$(MAKE) --keep-going lint types security imports docs overhead

lint: $(DEV)  ## ruff check and ruff format --check
	@status=0; \
	$(BIN)/ruff check --quiet || status=1; \
	$(BIN)/ruff format --check --quiet || status=1; \
	exit $$status

types: $(DEV)  ## mypy --strict on the package
	@$(BIN)/mypy --no-error-summary

security: $(DEV)  ## bandit on the package, and pip-audit on what is installed
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml flaskJSONRPCServer
	@$(BIN)/python tools/audit

imports: $(DEV)  ## the import-direction test
	@$(BIN)/python -m pytest -q --no-header tests/test_imports.py

docs: $(DEV)  ## build the documentation into docs/_build/html, warnings being errors
	@$(BIN)/sphinx-build -q -E -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html

images:  ## draw the picture of the README, docs/images/request.svg
	@$(PYTHON) tools/draw-images

screenshots: $(DEV)  ## take the pictures of the console and its dashboard, docs/images/console-*.png and dashboard-*.png
	@tools/install-browser $(BIN)/python
	@$(BIN)/python tools/take-screenshots

overhead: $(DEV)  ## hold the instructions of a request to benchmarks/overhead.json, with valgrind; ARGS=--keep writes that
	@$(BIN)/python -m benchmarks.overhead $(or $(ARGS),--check)

bench: $(DEV)  ## measure against other servers over sockets, and write docs/performance.md; ARGS=--quick only prints
	@tools/install-wrk
	@$(BIN)/python -m benchmarks.sockets $(ARGS)

bench-overhead: $(DEV)  ## time the WSGI callable in-process, and count its instructions
	@$(BIN)/python -m benchmarks.inprocess $(ARGS)
	@$(BIN)/python -m benchmarks.overhead

soak: $(DEV)  ## ten minutes of mixed load with restarts, floods and hostile clients; ends with what was lost or grew
	@$(BIN)/python -m benchmarks.soak $(ARGS)

hard: $(DEV)  ## every check of the scorecard, into docs/scorecard.md, openrpc and conformance; CHECK="1 2" BACKEND="native" only prints
	@$(BIN)/python -m scorecard $(if $(CHECK),--check $(CHECK)) $(if $(BACKEND),--backend $(BACKEND)) \
		$(if $(CHECK)$(BACKEND)$(ARGS),,--write) $(ARGS)
	@$(if $(CHECK)$(BACKEND)$(ARGS),,$(MAKE) openrpc conformance)

openrpc: $(DEV)  ## call the methods of all examples by their OpenRPC documents, with a judge from npm; ARGS="simple" for one
	@$(BIN)/python tools/openrpc-coverage $(ARGS)

conformance: $(DEV)  ## the conformance suite of MCP against an example on all backends; ARGS="--backend native" for one
	@$(BIN)/python -m conformance $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m conformance.mutated)

fuzz: $(DEV)  ## each target of fuzz/ for a minute, by atheris; ARGS="--seconds 600" for longer, ARGS="body" for one
	@$(BIN)/python -m fuzz $(ARGS)

wheel: $(CORE)  ## build the wheel into dist/, for other machines and environments
	@$(PIP) wheel -q --no-deps --wheel-dir dist .
	@ls dist/*.whl

format: $(DEV)  ## let ruff format the code and mend what it can
	@$(BIN)/ruff check --quiet --fix --exit-zero
	@$(BIN)/ruff format --quiet

venv: $(DEV)  ## build the environment for development only

clean:  ## remove the environments and everything built
	@rm -rf .venv .venvs build dist ./*.egg-info docs/_build .coverage .coverage.* htmlcov
	@rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name .git -prune -o -type d -name __pycache__ -exec rm -rf {} +

$(CORE): pyproject.toml
	@tools/make-venv "$(PYTHON)" "$(VENV)"
	@echo "installing the server with granian and orjson into $(VENV)"
	@$(PIP) install --editable '.[fast]'
	@touch $@

# After $(CORE), so that `make -j` never runs two pips in one environment.
$(DEV): pyproject.toml | $(CORE)
	@echo "installing the development tools into $(VENV)"
	@$(PIP) install --editable '.[dev]'
	@touch $@
