# What a person or a CI machine runs. Needs make, Python 3.11 or newer with pip, and nothing else beforehand.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
ORDERS ?= 2000
KEEP ?=
GIVEN ?=
YES ?=
JSON ?=
T ?=

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest $(if $(T),-k "$(T)")
INSTALLED := $(VENV)/installed
SETUP_LOG := $(VENV)/setup.log
SOURCES := api contracts infra workers
LOCK := uv pip compile pyproject.toml --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export PIP_NO_INPUT := 1

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(INSTALLED) ## Create .venv with the locked packages, and install RabbitMQ and Redis where they are missing.
	@$(BIN)/tributary setup

.PHONY: demo
demo: setup ## Run ORDERS=2000 orders on servers of its own; KEEP=1 leaves it running, GIVEN=1 uses yours, JSON=1 prints JSON.
	@$(BIN)/tributary demo --orders $(ORDERS) $(if $(KEEP),--keep) $(if $(GIVEN),--on-given-servers) $(if $(YES),--yes) \
		$(if $(JSON),--json)

.PHONY: test
test: $(INSTALLED) ## Run every test, those against real servers and in a real browser included.
	@$(BIN)/tributary setup --browser
# Two files run at a time, which keeps two cores nearly busy, in the order of tests/order.py. What measures runs alone.
	@$(BIN)/python -m pytest tests -p tests.order -m "not measures" --numprocesses 2 --dist loadfile --no-loadscope-reorder
	@$(BIN)/python -m pytest tests/bench -m measures --quiet

.PHONY: unit
unit: $(INSTALLED) ## Run the unit tests, the slow ones too; here and below T=refund chooses those with that in their name.
	@$(PYTEST) tests/unit --numprocesses 2

.PHONY: workflow
workflow: $(INSTALLED) ## Run whole workflows in memory, without servers.
	@$(PYTEST) tests/workflow

.PHONY: api
api: $(INSTALLED) ## Run the tests of the API, on servers of their own; minutes without T.
	@$(PYTEST) tests/api

.PHONY: connected
connected: $(INSTALLED) ## Run the tests of adapters, commands and outages, on servers of their own; minutes without T.
	@$(PYTEST) tests/connected

.PHONY: faults-quick
faults-quick: $(INSTALLED) ## Run the tests that kill workers and break servers: a part of what `make faults` tries.
	@$(PYTEST) tests/faults

.PHONY: format
format: $(INSTALLED) ## Format the code, and mend what ruff can mend.
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: bench
bench: setup ## Measure us beside Celery, plain FastStream and the floor, within ten minutes; JSON=1 prints JSON.
	@$(BIN)/python -m tests.bench $(if $(JSON),--json)

.PHONY: bench-full
bench-full: setup ## The same, and growth, a hot product, memory and more processes, within an hour; JSON=1 prints JSON.
	@$(BIN)/python -m tests.bench --full $(if $(JSON),--json)

.PHONY: faults
faults: setup ## Kill every worker at every step, break every server under load, and check the books each time.
	@$(BIN)/python -m tests.faults.crash_points
	@$(BIN)/python -m tests.faults.nemesis

.PHONY: simulate
simulate: setup ## Run the system in memory under 10,000 different fates.
	@$(BIN)/python -m tests.simulation --seeds 10000

.PHONY: readme
readme: $(INSTALLED) ## Paste every block of the README into one shell, twice, on servers of its own; minutes.
	@README_TWICE=1 $(BIN)/python -m pytest tests/connected/test_readme.py

.PHONY: mutants
mutants: $(INSTALLED) ## Change the money rules in every small way, see that a test notices, and write docs/mutation-testing.md.
	@rm -rf mutants
	@nice timeout 1h $(BIN)/mutmut run --max-children 1
	@$(BIN)/python -m tests.mutation.report

.PHONY: docs
docs: $(INSTALLED) ## Write the tables and charts of the documents that are derived from the code.
	@$(BIN)/python -m tests.docs

# Each is a target of its own, so that one run reports all that is wrong. Those that take longest come first.
CHECKS := check-unit check-types check-properties check-workflow check-contracts check-architecture \
	check-dependencies check-imports check-dead-code check-style check-format

.PHONY: check
check: $(INSTALLED) ## Check style, types, architecture and dead code, and run the quick tests that need no server.
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(CHECKS)

.PHONY: $(CHECKS)
check-unit:
	$(BIN)/python -m pytest tests/unit -m "not hypothesis and not slow" --quiet --cov=workers --cov-branch --cov-report=
	$(BIN)/coverage report --include='workers/*/decide.py' --show-missing --skip-covered --fail-under=100

check-properties:
	$(BIN)/python -m pytest tests/unit -m "hypothesis and not slow" --quiet

check-workflow:
	$(BIN)/python -m pytest tests/workflow -m "not slow" --quiet

check-contracts:
	$(BIN)/python -m pytest tests/contracts -m "not slow" --quiet

check-architecture:
	$(BIN)/python -m pytest tests/architecture -m "not slow" --quiet

check-types:
	$(BIN)/mypy

check-dependencies:
	$(BIN)/deptry .

check-imports:
	$(BIN)/lint-imports

check-dead-code:
	$(BIN)/vulture

check-style:
	$(BIN)/ruff check .

check-format:
	$(BIN)/ruff format --check .

.PHONY: lock
lock: ## Write the lock files from pyproject.toml, with hashes; needs uv.
	@command -v uv >/dev/null || { echo "The lock files are made by uv; install it, then run make lock again." >&2; exit 1; }
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra local --extra bench --extra dev --output-file requirements-dev.lock

.PHONY: clean
clean: ## Stop the local stacks of this folder and delete what setup, tests and runs have made.
	@for record in .tributary/*/stack.json; do \
		[ -e "$$record" ] || continue; \
		stack=$$(basename "$$(dirname "$$record")"); \
		[ -x $(BIN)/tributary ] || { echo "A stack may be running; run make setup, then make clean again." >&2; exit 1; }; \
		TRIBUTARY_HOME=.tributary $(BIN)/tributary down --stack "$$stack" --remove-data --yes; \
	done
	@rm -rf $(VENV) .tributary build mutants *.egg-info .coverage .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	@find $(SOURCES) tests -name __pycache__ -prune -exec rm -rf {} +

# The stamp is written last, so a set-up that was interrupted is done again. Everything pip says goes to the log.
# The lock names all there is to install, so pip need not work that out again: older ones ask for coverage[toml], which
# the lock has as coverage, in its newest version, and then miss its hash.
$(INSTALLED): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Tributary needs Python 3.11 or newer; install it, or name it with make PYTHON=/path/to/python3." >&2; exit 1; }
	@rm -f $(INSTALLED)
	@echo "Installing the locked packages into $(VENV) …" >&2
# Debian keeps the pip for new environments in a package of its own; the system's pip does as well.
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@pip=("$$PWD/$(BIN)/python" -m pip); \
	"$${pip[@]}" --version >/dev/null 2>&1 || pip=($(PYTHON) -m pip --python "$$PWD/$(BIN)/python"); \
	rm -f $(SETUP_LOG); installing=($(PYTHON) -m infra.local.packages $(SETUP_LOG) "$${pip[@]}" install --no-deps); \
	{ "$${installing[@]}" --require-hashes -r requirements-dev.lock && \
	  "$${installing[@]}" --no-build-isolation -e .; } || { \
		echo "The packages could not be installed; read $(SETUP_LOG) for the reason, then run make setup again." >&2; exit 1; }
	@touch $(INSTALLED)
