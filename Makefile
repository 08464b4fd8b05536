# Two commands: `make build` and `make test`. DATA=<folder> builds another dataset than the demo.
PYTHON ?= python3
DATA ?= data/demo
BIN := .venv/bin
DATASET := $(shell sed -n 's/^dataset: *//p' $(DATA)/mapping.yml)
# The demo is the project's default, so that plain `dbt build` builds it.
VARS := $(if $(filter data/demo,$(DATA)),,--vars "$$(cat $(DATA)/mapping.yml)")

.PHONY: build test long-test browser-test lint format simulate bench certify lock clean

build: .venv/installed
	$(BIN)/dbt build --quiet $(VARS)
	@$(BIN)/signals where $(DATASET)

# dbt itself is among the tests: test_demo.py builds the demo with all its data tests.
test: .venv/installed
	$(BIN)/pytest -n 2 --dist loadfile -m "not browser and not long"

# Builds of every public fixture, of the badly kept world and of bad input.
long-test: .venv/installed
	$(BIN)/pytest -n 2 --dist loadfile -m long

browser-test: .venv/installed
	$(BIN)/pytest -m browser

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar models macros tests/data tests/generic

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .


simulate: .venv/installed
	$(BIN)/signals simulate --scenario demo --out data/demo

bench: .venv/installed
	$(BIN)/python -m bench.demo_build
	$(BIN)/python -m bench.funnel_scale
	$(BIN)/python -m bench.simulate
	$(BIN)/python -m bench.core_scale
	$(BIN)/python -m bench.pipeline_scale
	$(BIN)/python -m bench.scoring_scale
	$(BIN)/python -m bench.retention_scale

# The simulation study: every method against worlds whose truth is known; and the demo beside its planted truth.
certify: .venv/installed
	$(BIN)/python -m certification.demo
	$(BIN)/python -m certification

# A new lock file from pyproject.toml: hashes of every package, no index address.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet pip-tools
	CUSTOM_COMPILE_COMMAND="make lock" .venv-lock/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-strip-extras --all-extras \
		--output-file requirements.lock pyproject.toml
	rm -rf .venv-lock

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv target logs build/*.duckdb
