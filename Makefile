# Everything that people type. Variables: CLUSTER=name (another local cluster), CONTEXT=name (a cluster of your own),
# ENGINE=pulumi|local (default: pulumi where it is installed), STACK=dev.
PYTHON := .venv/bin/python
STACK ?= dev
TARGET := $(if $(CONTEXT),--context=$(CONTEXT),$(if $(CLUSTER),--cluster=$(CLUSTER)))
OPTIONS = --stack=$(STACK) --engine=$(ENGINE) $(TARGET)

.PHONY: help up down destroy output test lint unit e2e pulumi-cli

help: ## show this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: .venv/installed ## from nothing to a counter that answers
	@$(PYTHON) -m local.stack up $(OPTIONS)

down: .venv/installed ## undo `make up`, but for the volumes
	@$(PYTHON) -m local.stack down $(OPTIONS)

destroy: .venv/installed ## undo it with the volumes, and so the count; asks first (YES=1: does not)
	@$(PYTHON) -m local.stack destroy $(OPTIONS) $(if $(YES),--yes)

output: .venv/installed ## print the node port
	@$(PYTHON) -m local.stack output nodeport $(OPTIONS)

test: lint unit e2e ## all tests

unit: .venv/installed ## the tests that need no cluster
	@$(PYTHON) -m pytest tests/app tests/infra tests/local

e2e: .venv/installed ## the tests on a local cluster of their own
	@$(PYTHON) -m pytest tests/e2e

lint: .venv/installed ## format, style and types
	@$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check . && $(PYTHON) -m mypy

pulumi-cli: .venv/installed ## install the pinned Pulumi CLI into ~/.pulumi
	@$(PYTHON) -c "from pulumi.automation import PulumiCommand; print(PulumiCommand.install().command)"

.venv/installed: requirements.txt app/requirements.txt
	python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile --requirement requirements.txt
	@touch $@
