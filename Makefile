# The two commands that a newcomer needs are `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PINNED := --generate-hashes --no-header --no-annotate --python-version 3.11
OLDER := openai-1 openai-2 anthropic-0 anthropic-1
PIP := $(BIN)/pip --disable-pip-version-check --quiet --no-input install

.PHONY: run test test-callers test-code test-alone test-agents check fmt style types bench serve fidelity lock clean

run: .venv/.run weights ## a running gateway with a real model's answer
	$(BIN)/isthmus serve --welcome

# Two lanes side by side, each takes about one core; then, alone, all else: tests that look at seconds and bytes.
CALLERS := tests/sdk
CODE := $(addprefix tests/,wire conformity simulator fidelity providers catalogue routing core)
PYTEST := PYTHONHASHSEED=0 $(BIN)/python -m pytest

test: .venv/.dev $(OLDER:%=.venv/older/%/.done) weights ## every test
	@$(MAKE) --no-print-directory -k -j2 test-callers test-code; lanes=$$?; \
	$(MAKE) --no-print-directory test-alone; exit $$((lanes + $$?))

test-callers:
	$(PYTEST) $(CALLERS)

test-code: # told at its end, not in between the other lane's lines
	@$(PYTEST) $(CODE) > .venv/test-code.txt 2>&1; failed=$$?; cat .venv/test-code.txt; exit $$failed

test-alone:
	$(PYTEST) $(addprefix --ignore=,$(CALLERS) $(CODE))

test-agents: .venv/.dev .venv/agents/.done tests/agents/node_modules/.package-lock.json ## coding agents, see docs/agents.md
	TEST_AGENTS=1 PYTHONHASHSEED=0 $(BIN)/python -m pytest tests/agents

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

fidelity: .venv/.dev ## writes docs/fidelity.md from what translation does
	PYTHONPATH=tests $(BIN)/python -m fidelity.document

weights: .venv/.run
	$(BIN)/isthmus model get smollm2

lock: ## pins every dependency anew (needs uv)
	uv pip compile -q pyproject.toml requirements/build.in $(PINNED) -o requirements/core.txt
	uv pip compile -q pyproject.toml requirements/build.in --extra local $(PINNED) -o requirements/local.txt
	uv pip compile -q pyproject.toml requirements/build.in --extra local --extra bedrock --extra vertex --extra dev $(PINNED) -o requirements/dev.txt
	echo 'openai>=1,<2' | uv pip compile -q - $(PINNED) -o requirements/older-openai-1.txt
	echo 'openai>=2,<3' | uv pip compile -q - $(PINNED) -o requirements/older-openai-2.txt
	echo 'anthropic<1' | uv pip compile -q - $(PINNED) -o requirements/older-anthropic-0.txt
	echo 'anthropic>=1,<2' | uv pip compile -q - $(PINNED) -o requirements/older-anthropic-1.txt
	echo 'aider-chat==0.86.2' | uv pip compile -q - $(PINNED) -o tests/agents/aider.txt

clean:
	rm -rf .venv isthmus-data .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@echo "· making .venv with $(PYTHON)"
	$(PYTHON) -m venv .venv

.venv/.run: requirements/local.txt pyproject.toml | .venv/bin/python
	@echo "· installing the gateway and the local models' runtimes (about 150 MB)"
	$(PIP) --require-hashes --no-deps -r requirements/local.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/older/%/.done: requirements/older-%.txt | .venv/bin/python
	@echo "· installing $*, an older SDK for the tests (about 30 MB)"
	@rm -rf $(@D)
	$(PIP) --require-hashes --no-deps -r $< --target $(@D)
	@touch $@

.PRECIOUS: .venv/older/%/.done

.venv/agents/.done: tests/agents/aider.txt
	@echo "· installing aider for the tests (about 550 MB)"
	@rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip --disable-pip-version-check --quiet --no-input install --require-hashes --no-deps -r $<
	@touch $@

tests/agents/node_modules/.package-lock.json: tests/agents/package-lock.json
	@echo "· installing Claude Code, Codex, opencode and gemini-cli for the tests (about 1.1 GB)"
	cd tests/agents && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	@echo "· installing what the tests need (about 150 MB)"
	$(PIP) --require-hashes --no-deps -r requirements/dev.txt
	@touch $@
