# Everything starts here. Each target does its own set-up; nothing is needed but python3 (3.11 or newer) and make.

PYTHON ?= python3
BIN := .venv/bin
ROOMS := loyalty schemas workers config tests benchmarks
GENERATORS := schemas.jsonschema schemas.program_schema workers.reference

# Tests start hundreds of processes; without cached bytecode each would compile the sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-slow test-kafka laws simulate chaos lint format generate bench compiled plain lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.stamp ## make .venv from the hash-locked requirements (done once; again when they change)

# The stamp is written last, so that an interrupted set-up is done again.
.venv/.stamp: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not that." >&2; \
	  echo "hint: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo "'$(PYTHON) -m venv' failed." >&2; \
	  echo "hint: on Debian and Ubuntu the module is a package of its own: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the locked requirements into .venv (once; about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## a local Kafka, a worker and 20,000 real baskets, live (make demo ARGS=--all for the whole year)
	@$(BIN)/loyalty demo $(ARGS)

test: test-fast test-slow test-kafka ## all tests

test-fast: setup ## the quick tests, which need no broker, in parallel
	$(BIN)/pytest -m "not kafka and not slow" -n auto --dist loadfile $(ARGS)

laws: setup ## the laws on many random streams: 300 examples each (make laws EXAMPLES=2000)
	LOYALTY_EXAMPLES=$(or $(EXAMPLES),300) $(BIN)/pytest tests/laws -n auto $(ARGS)

test-slow: setup ## those without a broker that take long, in parallel
	$(BIN)/pytest -m "slow and not kafka" -n auto --dist loadfile $(ARGS)

# Most of it is waiting. Each of the two has a broker of its own, or both share the one of LOYALTY_TEST_KAFKA.
test-kafka: setup ## those on a real broker: LOYALTY_TEST_KAFKA if set, else brokers that the run starts
	$(BIN)/pytest -m kafka -n 2 --dist loadfile $(ARGS)

simulate: setup ## workers on a simulated log under seeds (make simulate ARGS="--seeds 100000", or "--seed N" for one)
	@$(BIN)/python -m tests.simulation $(ARGS)

chaos: setup ## break real workers and a real broker for half an hour, then audit (make chaos ARGS="--seed 7 --minutes 5 --share 0.1")
	@$(BIN)/python -m tests.chaos $(ARGS)

lint: setup ## style, types, and whether what is made from the code is fresh
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(ROOMS)
	@for maker in $(GENERATORS); do echo "$(BIN)/python -m $$maker --check"; $(BIN)/python -m $$maker --check || exit 1; done

generate: setup ## write again what is made from the code: JSON Schemas, reference pages
	@for maker in $(GENERATORS); do $(BIN)/python -m $$maker || exit 1; done

format: setup ## let the formatter and the safe fixes have their way
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup ## the measurements, beside Faust, Quix Streams and Kafka Streams (make bench ARGS=--quick for a look)
	$(BIN)/python -m benchmarks $(ARGS)

compiled: setup ## compile the core of the engine, in place: decides the same, sooner; needs a C compiler
	@COMPILED=1 $(BIN)/python setup.py --quiet build_ext --inplace
	@$(BIN)/python -c 'from workers.compiled import engine; print("The engine here is", engine())'

plain: ## back to plain Python: remove what `make compiled` made
	@find loyalty schemas -name '*.so' -type f -delete
	@rm -f loyalty__mypyc.*.so loyalty/compiled.stamp

# One resolution for every Python from 3.11 and every platform; a fresh look at what has been published since
# with `make lock ARGS=--upgrade`. The index that this machine uses stays out of the files.
LOCK = .venv-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --no-config --quiet $(ARGS)

lock: ## resolve pyproject.toml into requirements/*.txt
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@env -u PIP_FIND_LINKS $(LOCK) -o requirements/runtime.txt
	@env -u PIP_FIND_LINKS $(LOCK) --all-extras -c requirements/runtime.txt -o requirements/dev.txt
	@env -u PIP_FIND_LINKS $(LOCK) --group quix -o requirements/quix.txt
	@printf 'mypy\nsetuptools\n' | env -u PIP_FIND_LINKS $(subst pyproject.toml,-,$(LOCK)) -c requirements/dev.txt -o requirements/build.txt

clean: plain ## remove what set-up, tests and runs have made here (the jars of the local Kafka stay in the user's cache)
	rm -rf .venv .venv-lock build .local .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find $(ROOMS) -name __pycache__ -type d -prune -exec rm -rf {} +
