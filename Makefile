VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.tools
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

SEEDS := 100
MESSAGES := 100000

.PHONY: run check test coverage lint bench simulate fuzz setup lock

run: $(STAMP)
	@$(BIN)/quarterdeck run --settings settings.toml $(ARGS)

test: $(TOOLS)
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

coverage: $(TOOLS)
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

check: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow" $(ARGS)

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(TOOLS)
	$(BIN)/python -m benchmarks $(ARGS)

simulate: $(TOOLS)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

fuzz: $(TOOLS)
	$(BIN)/python -m tests.simulation.fuzz --messages $(MESSAGES) $(ARGS)

setup: $(TOOLS)

lock: $(STAMP)
	$(BIN)/python -m tools.lock $(ARGS)

$(STAMP): requirements.txt pyproject.toml
	@for python in python3.11 python3 python; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
	        exec $$python -m venv $(VENV); \
	    fi; \
	done; \
	echo "make: Python 3.11 is needed and was not found: install it, so that python3.11 is on the PATH" >&2; exit 1
	@echo "installing into $(VENV), once" >&2
	@$(PIP) --require-hashes --requirement requirements.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): $(STAMP) requirements-test.txt
	@$(PIP) --require-hashes --requirement requirements-test.txt
	@touch $@
