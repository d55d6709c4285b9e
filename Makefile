# Needs Python >= 3.11, make and a C compiler; everything else it gets itself.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
SOURCE ?= examples/big-buck-bunny.mp4
OUT ?= out
# Of tests: each starts servers of its own, and many tests use every core already.
PROCESSES ?= 2
# Through the environment, as they were typed: a $ or a quote in an address is for neither make nor the shell.
override SOURCE := $(value SOURCE)
override OUT := $(value OUT)
export SOURCE OUT
FASTIO := libs/fastio
PACKAGES := cinelog cinelog_common cinelog_download cinelog_fastio cinelog_gateway cinelog_merge \
	cinelog_storage cinelog_testkit cinelog_transcode
PYPROJECTS := $(wildcard pyproject.toml */pyproject.toml */*/pyproject.toml)

.PHONY: help install run test check lint types imports sizes unit real corpus bench fmt docs lock clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

install: .venv/.installed ## Make the environment in .venv; the command is then .venv/bin/cinelog

.venv/.installed: requirements/install.sh requirements/bootstrap.txt requirements/dev.txt $(PYPROJECTS) \
		$(FASTIO)/setup.py $(wildcard $(addprefix $(FASTIO)/src/cinelog_fastio/_native/*.,pyx pxd h) \
		$(FASTIO)/vendor/*/*.[ch])
	@sh requirements/install.sh dev

run: install ## Turn SOURCE (a URL or a file; default: the example clip) into video below OUT
	@$(BIN)/cinelog run --out "$$OUT" -- "$$SOURCE"

test: install ## Run every test; real servers are found or started
	$(BIN)/python -m pytest -n $(PROCESSES)

unit: install ## Run the unit tests alone
	$(BIN)/python -m pytest -q $(wildcard libs/*/tests/unit services/*/tests/unit cli/tests/unit)

real: install ## Run what needs real Kafka, MongoDB, S3 or a browser
	CINELOG_REQUIRE_REAL=1 $(BIN)/python -m pytest -n $(PROCESSES) -m real

check: lint types imports sizes ## What CI runs for style

lint: install ## Look for mistakes and for code that is not formatted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## Check the types
	$(BIN)/mypy $(addprefix -p ,$(PACKAGES))

imports: install ## Check who imports whom
	$(BIN)/lint-imports

sizes: install ## Check that files and functions stay small
	$(BIN)/python tools/sizes.py

fmt: install ## Format the code
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format -q .

docs: install ## Generate docs/events and docs/openapi.json from the types
	$(BIN)/python tools/events.py
	$(BIN)/python tools/openapi.py

corpus: install ## Generate one small file of every kind of source
	$(BIN)/python tools/corpus.py

bench: install ## Measure against ffmpeg, side by side in one run
	$(BIN)/python benchmarks/pipeline.py

lock: install ## Choose dependencies anew and pin them with hashes
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export -q --format requirements-txt --all-groups --no-emit-workspace --no-header -o requirements/dev.txt
	$(BIN)/uv export -q --format requirements-txt --no-dev --no-emit-workspace --no-header --package cinelog -o requirements/runtime.txt

clean: ## Remove what was built; the next command builds it again
	rm -rf .venv build .mypy_cache .ruff_cache .import_linter_cache .hypothesis "$$OUT"
	find libs services cli tests -name '*.so' -delete -o -name '*.egg-info' -prune -exec rm -rf {} + -o -name __pycache__ -prune -exec rm -rf {} +
