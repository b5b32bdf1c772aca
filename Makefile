# The commands for people and CI. Needs only make, and Python 3.11 or newer with pip.
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
# A run starts hundreds of processes, each of which would otherwise compile the whole code again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(INSTALLED) ## Create .venv with the locked packages, and install RabbitMQ and Redis if they are missing.
	@$(BIN)/tributary setup

.PHONY: demo
demo: setup ## Run ORDERS=2000 orders on its own servers; KEEP=1 leaves it running, GIVEN=1 uses yours, JSON=1 prints JSON.
	@$(BIN)/tributary demo --orders $(ORDERS) $(if $(KEEP),--keep) $(if $(GIVEN),--on-given-servers) $(if $(YES),--yes) \
		$(if $(JSON),--json)

.PHONY: test
test: $(INSTALLED) ## Run the tests, including those against real servers and in a real browser, with samples of some.
	@$(BIN)/tributary setup --browser
# Tests of servers wait for some of their time, so four files keep two cores busy, in the order of tests/order.py. What
# measures runs alone.
	@$(BIN)/python -m pytest tests -p tests.order -m "not measures and not $(or $(SKIPPED),full)" --numprocesses 4 \
		--dist loadfile --no-loadscope-reorder --durations 40 --durations-min 8
	@$(BIN)/python -m pytest tests/bench -m measures --quiet

.PHONY: test-full
test-full: ## Run every test with every seed, example and basket, and the growth cases of the benchmark; half an hour.
	@TESTS_FULL=1 $(MAKE) --no-print-directory test SKIPPED=measures

.PHONY: unit
unit: $(INSTALLED) ## Run the unit tests, also the slow ones; here and below T=refund selects tests by name.
	@$(PYTEST) tests/unit --numprocesses 2

.PHONY: workflow
workflow: $(INSTALLED) ## Run whole workflows in memory, without servers.
	@$(PYTEST) tests/workflow

.PHONY: api
api: $(INSTALLED) ## Run the tests of the API, on their own servers; takes minutes without T.
	@$(PYTEST) tests/api

.PHONY: connected
connected: $(INSTALLED) ## Run the tests of adapters, commands and outages, on their own servers; takes minutes without T.
	@$(PYTEST) tests/connected

.PHONY: faults-quick
faults-quick: $(INSTALLED) ## Run the tests that kill workers and break servers: a part of `make faults`.
	@$(PYTEST) tests/faults

.PHONY: format
format: $(INSTALLED) ## Format the code, and apply the fixes of ruff.
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: bench
bench: setup ## Compare with Celery, plain FastStream and the floor, within ten minutes; JSON=1 prints JSON.
	@$(BIN)/python -m tests.bench $(if $(JSON),--json)

.PHONY: bench-full
bench-full: setup ## Also measure growth, a hot product, memory and more processes, within an hour; JSON=1 prints JSON.
	@$(BIN)/python -m tests.bench --full $(if $(JSON),--json)

.PHONY: faults
faults: setup ## Kill every worker at every step, break every server under load, and check the books each time.
	@$(BIN)/python -m tests.faults.crash_points
	@$(BIN)/python -m tests.faults.nemesis

.PHONY: simulate
simulate: setup ## Run the system in memory with 10,000 seeds of crashes, repeats and reordering.
	@$(BIN)/python -m tests.simulation --seeds 10000

.PHONY: readme
readme: $(INSTALLED) ## Run every block of the README in one shell, twice, on its own servers; takes minutes.
	@README_TWICE=1 $(BIN)/python -m pytest tests/connected/test_readme.py

.PHONY: mutants
mutants: $(INSTALLED) ## Mutate the money rules, check that a test fails for each, and write docs/mutation-testing.md.
	@rm -rf mutants
	@nice timeout 1h $(BIN)/mutmut run --max-children 1
	@$(BIN)/python -m tests.mutation.report

.PHONY: docs
docs: $(INSTALLED) ## Write the tables and charts of the documents that are derived from the code.
	@$(BIN)/python -m tests.docs

# Separate targets, so that one run reports all failures. The longest ones come first.
# Every other room of a worker is model or rules, and each of their branches is tested.
UNPURE := */__init__.py,*/repository.py,*/handlers.py,*/audit*.py

REACHES_RULES := ^from (workers[. ]|tests[.]unit[.](booked|deliveries|order_histories|past|sales) )
CHECKS := check-rules check-unit check-types check-properties check-contracts check-architecture \
	check-dependencies check-imports check-dead-code check-style check-format

# What a change misses most often, without a single test: half a minute.
STATIC := check-format check-style check-imports check-dead-code check-dependencies check-types

.PHONY: lint
lint: $(INSTALLED) ## Check format, style, imports, dead code, dependencies and types: the first part of `make check`.
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(STATIC)

.PHONY: check
check: $(INSTALLED) ## Check style, types, architecture and dead code, and run the quick tests that need no server.
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(CHECKS)

.PHONY: $(CHECKS)
# Only examples count for the coverage of the rules, and only the tests that can reach a rule are traced: that is slow.
check-rules:
	$(BIN)/python -m pytest $$(grep -lE '$(REACHES_RULES)' tests/unit/test_*.py) -m "not hypothesis and not slow" --quiet \
		--cov=workers --cov-branch --cov-report=
	$(BIN)/coverage report --include='workers/*/*.py' --omit='$(UNPURE)' --show-missing --skip-covered --fail-under=100

check-properties:
	UNIT_EXAMPLES=20 $(BIN)/python -m pytest $$(grep -lE '$(REACHES_RULES)' tests/unit/test_*.py | xargs grep -lw hypothesis) \
		-m "hypothesis and not slow" --quiet

check-unit:
	UNIT_EXAMPLES=20 $(BIN)/python -m pytest $$(grep -LE '$(REACHES_RULES)' tests/unit/test_*.py) -m "not slow" --quiet

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
	@command -v uv >/dev/null || { echo "The lock files are made with uv; install it, then run make lock again." >&2; exit 1; }
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra local --extra bench --extra dev --output-file requirements-dev.lock

.PHONY: licences
licences: $(INSTALLED) ## List the licence of every package, and until when servers and libraries are supported.
	@$(BIN)/python -m tests.supply.licences

.PHONY: advisories
advisories: $(INSTALLED) ## Ask for known vulnerabilities of the packages; exits with 3 and says so where it cannot.
	@$(BIN)/python -m tests.supply.advisories

.PHONY: sbom
sbom: $(INSTALLED) ## Write build/sbom.json, the bill of materials of the locked packages as CycloneDX.
	@mkdir -p build
# The warning states that a lock file does not say which package needs which.
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--short-PURLs --output-format JSON --output-file build/sbom.json
	@echo "Wrote build/sbom.json."

.PHONY: clean
clean: ## Stop the local stacks of this folder and delete the files of setup, tests and runs.
	@for record in .tributary/*/stack.json; do \
		[ -e "$$record" ] || continue; \
		stack=$$(basename "$$(dirname "$$record")"); \
		[ -x $(BIN)/tributary ] || { echo "A stack may be running; run make setup, then make clean again." >&2; exit 1; }; \
		TRIBUTARY_HOME=.tributary $(BIN)/tributary down --stack "$$stack" --remove-data --yes; \
	done
	@rm -rf $(VENV) .tributary build mutants *.egg-info .coverage .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	@find $(SOURCES) tests -name __pycache__ -prune -exec rm -rf {} +

# The stamp is written last, so that an interrupted set-up is repeated. The output of pip goes to the log.
# The lock contains every package, so pip must not resolve dependencies: an older pip would look for coverage[toml],
# which is in the lock as coverage, and then report a missing hash. What is imported is compiled then; all of it would
# take longer than the rest of the set-up.
$(INSTALLED): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Tributary needs Python 3.11 or newer; install it, or name it with make PYTHON=/path/to/python3." >&2; exit 1; }
	@rm -f $(INSTALLED)
	@echo "Installing the locked packages into $(VENV) …" >&2
# On Debian the pip for new environments is in a separate package; without it the system's pip is used.
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@pip=("$$PWD/$(BIN)/python" -m pip); \
	"$${pip[@]}" --version >/dev/null 2>&1 || pip=($(PYTHON) -m pip --python "$$PWD/$(BIN)/python"); \
	rm -f $(SETUP_LOG); installing=($(PYTHON) -m infra.local.packages $(SETUP_LOG) "$${pip[@]}" install --no-deps --no-compile); \
	{ "$${installing[@]}" --require-hashes -r requirements-dev.lock && \
	  "$${installing[@]}" --no-build-isolation -e .; } || { \
		echo "The packages could not be installed; read $(SETUP_LOG) for the reason, then run make setup again." >&2; exit 1; }
	@touch $(INSTALLED)
