VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

SEEDS := 100
MESSAGES := 100000

.PHONY: run check test lint bench simulate fuzz setup

run: $(STAMP)
	@$(BIN)/quarterdeck run --settings settings.toml $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

check: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow" $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

simulate: $(STAMP)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

fuzz: $(STAMP)
	$(BIN)/python -m tests.simulation.fuzz --messages $(MESSAGES) $(ARGS)

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	@for python in python3.11 python3 python; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
	        exec $$python -m venv $(VENV); \
	    fi; \
	done; \
	echo "make: Python 3.11 is needed and was not found: install it, so that python3.11 is on the PATH" >&2; exit 1
	@echo "installing into $(VENV), once" >&2
	@$(PIP) --requirement requirements.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
