# Installs nasjax into .venv beside this file and starts it. `make` lists what there is.

# The first Python of a fitting version; another one: make search PYTHON=/path/to/python3.12
FITTING := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(FITTING)' 2>/dev/null && { echo $$p; break; }; done),python3)
CONFIG ?= trl_hpo/digits
DIRECTORY ?= runs/quickstart
CONSTRAINTS ?= constraints.txt
ARGS ?=

# Test files over processes, in the order of tests/conftest.py; ARGS=-n0 for one process.
SPREAD := --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

RUN := .venv/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check install --quiet --no-warn-script-location

# Modules are byte-compiled when first imported, not by pip: two thirds of what is installed never is.
# That only pays if Python may keep the result.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help search test test-all fuzz docs wheel check format format-check lint types imports clean

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16
	@echo
	@echo 'search takes CONFIG=$(CONFIG) DIRECTORY=$(DIRECTORY) ARGS="--more --flags";'
	@echo 'test takes ARGS="-k name"; before .venv exists, all take PYTHON=python3.12 and'
	@echo 'CONSTRAINTS=constraints-newest.txt (the newest JAX, Python 3.12 or 3.13).'

search: .venv/installed  ## install, then run the quickstart search (a minute or two on 2 cores)
	.venv/bin/nasjax search --config=$(CONFIG) --directory=$(DIRECTORY) $(ARGS)

test: .venv/installed-dev  ## install, then run the fast tests and print their coverage
	$(RUN) -m pytest $(SPREAD) -m "not long" --cov=nasjax --cov-report=term:skip-covered $(ARGS)

test-all: .venv/installed-dev  ## run all tests, the long ones included
	$(RUN) -m pytest $(SPREAD) $(ARGS)

fuzz: .venv/installed-dev  ## change configs, damage files and kill commands at random (tests/fuzz/README.md)
	$(RUN) -m tests.fuzz $(ARGS)

docs: .venv/installed-dev  ## build the documentation into site/
	.venv/bin/mkdocs build --strict --quiet

wheel: .venv/installed-dev  ## build the wheel into dist/
	$(RUN) -m build --wheel --no-isolation .

check: format-check lint types imports docs test-all  ## all that .ci/run asks for, stopping at the first failure

format: .venv/installed-dev  ## rewrite the files in the one format
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

format-check: .venv/installed-dev
	$(RUN) -m ruff format --check .

lint: .venv/installed-dev
	$(RUN) -m ruff check .

types: .venv/installed-dev
	$(RUN) -m mypy

imports: .venv/installed-dev
	.venv/bin/lint-imports

clean:  ## remove .venv and the caches; runs/ stays
	rm -rf .venv build dist site *.egg-info nasjax/evaluation/trained/native/build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamps are written last and removed first: after an interrupted installation neither is there,
# and the next one starts from an empty .venv.
.venv/installed: setup.py $(CONSTRAINTS)
	$(call install,.,.venv/installed)

.venv/installed-dev: setup.py $(CONSTRAINTS)
	$(call install,.[dev],.venv/installed .venv/installed-dev)

define install
@$(PYTHON) -c '$(FITTING)' 2>/dev/null || { found=$$($(PYTHON) -V 2>&1) || found='not there'; \
	echo "nasjax needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is $$found;" \
	'name another: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 1; }
@echo 'installing $(1) into .venv with $(PYTHON), about a minute ...'
@ls .venv/installed* >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
@rm -f .venv/installed .venv/installed-dev
@$(PIP) -c $(CONSTRAINTS) setuptools
@$(PIP) -c $(CONSTRAINTS) --no-build-isolation --use-pep517 --no-compile -e '$(1)'
-@$(RUN) -m nasjax.evaluation.trained.native
@touch $(2)
endef
