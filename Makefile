# `make run` shows the wall, `make test` runs every test. Both install what is missing first.
PYTHON ?= python3
VENV := .venv/bin

.PHONY: run test install install-tests lint format lock bench soak chaos

run: install
	@$(VENV)/python manage.py run

install:
	@$(PYTHON) install.py

install-tests:
	@$(PYTHON) install.py --tests

test: install-tests lint
	npm --silent test
	$(VENV)/python -m pytest

lint: install-tests
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/python manage.py makemigrations --check --dry-run
	npm --silent run check

format: install-tests
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .
	npm --silent run format

lock: install-tests
	$(VENV)/pip install -q pip-tools
	for name in requirements requirements-dev; do \
	  $(VENV)/pip-compile -q --upgrade --strip-extras --no-header --no-emit-options -o $$name.txt $$name.in || exit 1; done

bench: install-tests
	for name in publish_many ingest latency fanout memory storm rest growth charts; do \
	  $(VENV)/python -m bench.$$name || exit 1; done

# Half an hour of an X that misbehaves; SOAK='--minutes 5 --seed 2' for another one.
soak: install-tests
	$(VENV)/python -m tests.e2e.soak_x $(SOAK)

# Kills, stops, locks and fills up whatever there is; CHAOS='--faults 20 --seed 2' for another one.
chaos: install-tests
	$(VENV)/python -m tests.e2e.chaos $(CHAOS)
