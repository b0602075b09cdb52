# Fahrwerk needs Python 3.11 to 3.13, git and make. The setup fetches the rest, as the lock files say.
#
#   make up ARGS="--help"              arguments for the program behind a target
#   make test ARGS="tests/fleet -k hold" WORKERS=0
#   make up PYTHON=/opt/py312/bin/python3    a particular interpreter for a new .venv
#   make lock ARGS="--upgrade"         newer versions of everything, not only what changed

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help dev up web webcheck webtest client pictures test check lint format types walls house bench storm audit lock clean

ARGS ?=
PYTHON ?=
# Tests wait for processes, brokers and time-outs more than they compute: two for each core.
WORKERS ?= 4
BIN := .venv/bin

# Any Python 3.7 or newer can run the setup, which then looks for one that Fahrwerk can run on. Each
# name is tried, not only looked up: a version manager's shim exists for versions it cannot start.
any_python = $(shell for name in python3 python3.11 python3.12 python3.13 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 7))' >/dev/null 2>&1 \
	&& { echo "$$name"; break; }; done)
setup = $(or $(any_python),$(error No Python 3 answers on this PATH. Install Python 3.11, 3.12 or 3.13)) \
	tools/setup.py $(if $(PYTHON),--python "$(PYTHON)")

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

dev:
	@$(setup) dev

up: ## set up what is missing, then run the whole platform on this machine
	@$(setup) run
	@$(BIN)/python tools/web.py up
	@exec $(BIN)/fahrwerk up $(ARGS)

web: ## build the web apps if their sources have changed
	@$(setup) run
	@$(BIN)/python tools/web.py build

webcheck: ## the web apps: types, style, unit tests, freshness of the API client
	@$(setup) run
	@$(BIN)/python tools/web.py check

client: ## write the web apps' API client anew from the platform's OpenAPI document
	@$(setup) run
	@$(BIN)/python tools/web.py client

pictures: dev web ## take the documentation's pictures of both apps anew
	@$(BIN)/python -m tests.web.pictures

test: dev ## all tests, on a real PostgreSQL
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

webtest: dev ## the web apps in Chromium against the living city; by itself (ARGS="--all", "--measure")
	@$(BIN)/python tools/web.py build
	@FAHRWERK_WEB_TESTS=1 $(BIN)/python -m pytest tests/web $(ARGS)

check: lint format types walls house ## style, types, walls between rooms, rules of the house

lint: dev
	$(BIN)/ruff check

format: dev
	$(BIN)/ruff format --check

types: dev
	$(BIN)/mypy src tests tools

walls: dev
	$(BIN)/lint-imports --no-logo

# The rules read text only: --confcutdir keeps pytest from loading the platform for them.
house: dev
	$(BIN)/python -m pytest -q --confcutdir=tests/house tests/house

bench: dev ## measure: requests, bookings and telemetry per second on this machine
	@$(BIN)/python -m tests.bench $(ARGS)

storm: dev ## money moves while processes die at random, five minutes; then the books must hold
	@$(BIN)/python -m tests.journeys.storm $(ARGS)

audit: dev ## is a known weakness in what the lock files name? (where advisories can be reached)
	@$(BIN)/python -m tools.audit

lock: ## write requirements.lock and requirements-dev.lock anew from pyproject.toml
	@$(setup) bare
	@$(BIN)/python tools/lock.py $(ARGS)

clean: ## remove caches and build results; keeps .venv and the data in var/
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests tools -type d -name __pycache__ -prune -exec rm -rf {} +
