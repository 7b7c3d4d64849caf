# The two commands that a newcomer needs are `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet --no-input install

.PHONY: run test check fmt style types bench serve lock clean

run: .venv/.run weights ## a running gateway with a real model's answer
	$(BIN)/isthmus serve --welcome

test: .venv/.dev weights ## every test
	$(BIN)/python -m pytest

check: style types test ## what CI runs

style: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/.dev
	$(BIN)/mypy

fmt: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.run ## ratios to nginx, see docs/performance.md
	$(BIN)/python -m bench

serve: .venv/.run
	$(BIN)/isthmus serve

weights: .venv/.run
	$(BIN)/isthmus model get smollm2

lock: ## pins every dependency anew (needs uv)
	uv pip compile -q pyproject.toml requirements/build.in --generate-hashes --no-header --no-annotate --python-version 3.11 -o requirements/core.txt
	uv pip compile -q pyproject.toml requirements/build.in --extra local --generate-hashes --no-header --no-annotate --python-version 3.11 -o requirements/local.txt
	uv pip compile -q pyproject.toml requirements/build.in --extra local --extra dev --generate-hashes --no-header --no-annotate --python-version 3.11 -o requirements/dev.txt

clean:
	rm -rf .venv isthmus-data .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@echo "· making .venv with $(PYTHON)"
	$(PYTHON) -m venv .venv

.venv/.run: requirements/local.txt pyproject.toml | .venv/bin/python
	@echo "· installing the gateway and the local model's runtime (about 45 MB)"
	$(PIP) --require-hashes --no-deps -r requirements/local.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	@echo "· installing what the tests need (about 150 MB)"
	$(PIP) --require-hashes --no-deps -r requirements/dev.txt
	@touch $@
