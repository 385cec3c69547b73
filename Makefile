# The doors into the project. `make` alone lists them.
#
# Every target that runs something calls `setup` first, which answers at once when nothing changed.

VENV := .venv
BIN := $(VENV)/bin
# An interpreter of your choice: make setup PYTHON=/path/to/python3.12
PYTHON ?=
# Folder with the data sets that are not shipped: make check-data DATA=../shared/data
DATA ?=
# Only the data checks whose names hold these words: make check-data DATA=... ONLY=kashmir
ONLY ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup demo drill test long chaos coverage check audit fuzz check-data bench bench-sar bench-models lock notices clean

help:  ## List the targets
	@echo 'Scarpwatch: make TARGET'
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)$$/\1|\2/p' Makefile \
	  | while IFS='|' read -r target text; do printf '  %-12s %s\n' "$$target" "$$text"; done

setup:  ## Build .venv from the hashed lock; see to PostgreSQL with PostGIS
	@sh infra/setup.sh

demo: setup  ## Run the main job on real Sentinel-1 data, from polling to the alert
	@$(BIN)/scarpwatch demo

drill: setup  ## Exercise every state of a landslide, told to real receivers, through two kills
	@$(BIN)/scarpwatch drill

WHICH = not data and not long

test: setup  ## Run the tests
	@sh infra/browser.sh
	@$(BIN)/python infra/stac_schemas.py build/schemas
	@# One process more than there are cores: many tests wait for servers, timeouts and kills. In
	@# the order of the folders, or files of one long test each would all be left for the end.
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m '$(WHICH)' $(COVERAGE) \
	  -n "$$(($$(nproc) + 1))" --maxprocesses 4 --dist loadfile --no-loadscope-reorder

long: WHICH = long and not data
long: test  ## The tests that are too long for every day: more kills, more models, a replay

coverage: COVERAGE = --cov --cov-report=term
coverage: test  ## The same with branch coverage, which takes half as long again

check: setup  ## Style, types, layers, lock, notices, file sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict infra/*.py
	$(BIN)/lint-imports --no-cache
	$(BIN)/python infra/check_repository.py

audit: setup  ## Known faults of the locked packages: ADVISORIES=folder or zip; no network
	@$(BIN)/python infra/audit.py $(ADVISORIES)

fuzz: setup  ## Fire at services (EXAMPLES=500 of each operation), hand in spoilt files (CASES=10000)
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),500) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/fuzz \
	  -o timeout=7200

	@OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m bench.chaos.fuzzing --cases $(or $(CASES),10000) \
	  --seed $(or $(SEED),1)

chaos: setup  ## Kill and break everything, and ask what is left: KILLS=1000 SERVICES=30 SEED=1
	@OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m bench.chaos --kills $(or $(KILLS),1000) \
	  --services $(or $(SERVICES),30) --seed $(or $(SEED),1) --minutes $(or $(MINUTES),240)

check-data: setup  ## Checks on data that may not be shipped: DATA=folder, ONLY=words
	@sh infra/check_data.sh '$(DATA)' '$(ONLY)'

BENCHES = publishing verdict compositing medians disturbance memory models polling reading sharing \
  database analysts year

bench: setup  ## Measure again, for hours, or ONLY="medians reading"; rewrites bench/README.md
	@for one in $(or $(ONLY),$(BENCHES)); do \
	  OMP_NUM_THREADS=1 $(BIN)/python -m bench.$$one || exit 1; done
	@$(BIN)/python -m bench.summary

bench-sar: setup  ## Measure the radar detectors: DATA=folder adds real series; QUICK=1
	@$(BIN)/python -m bench.sar $(if $(DATA),--data '$(DATA)') $(if $(QUICK),--quick)

bench-models: setup  ## Measure the loops around the networks against the bare networks
	@OMP_NUM_THREADS=1 $(BIN)/python -m bench.models

lock: setup  ## Resolve the dependencies again; UPGRADE=1 takes newer versions
	@sh infra/lock.sh $(if $(UPGRADE),--upgrade)

notices: setup  ## Rewrite the table of licences in THIRD_PARTY_NOTICES.md
	@$(BIN)/python infra/notices.py --write

clean:  ## Remove .venv, caches and built files; .scarpwatch (databases) stays
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache \
	  .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -not -path './.scarpwatch/*' -exec rm -rf {} +
