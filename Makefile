# Everything that people type. Variables: CLUSTER=name (another local cluster), CONTEXT=name (a cluster of your own),
# ENGINE=pulumi|local (default: pulumi where it is installed), STACK=dev.
PYTHON := .venv/bin/python
STACK ?= dev
TARGET := $(if $(CONTEXT),--context=$(CONTEXT),$(if $(CLUSTER),--cluster=$(CLUSTER)))
OPTIONS = --stack=$(STACK) --engine=$(ENGINE) $(TARGET)
WHICH = $(if $(SNAPSHOT),--snapshot='$(SNAPSHOT)') $(if $(FILE),--file='$(FILE)') $(if $(YES),--yes)

.PHONY: help up preview down destroy output snapshot snapshots export restore replace-member test lint unit model e2e bench chaos soak pulumi-cli requirements

help: ## show this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

up: .venv/installed ## from nothing to a counter that answers
	@$(PYTHON) -m local.stack up $(OPTIONS)

preview: .venv/installed ## what `make up` would do to a cluster that runs; changes nothing
	@$(PYTHON) -m local.stack preview $(OPTIONS)

down: .venv/installed ## undo `make up`, but for the volumes
	@$(PYTHON) -m local.stack down $(OPTIONS)

destroy: .venv/installed ## undo it with the volumes, and so the count; asks first (YES=1: does not)
	@$(PYTHON) -m local.stack destroy $(OPTIONS) $(if $(YES),--yes)

output: .venv/installed ## print the node port
	@$(PYTHON) -m local.stack output nodeport $(OPTIONS)

snapshot: .venv/installed ## take a snapshot of etcd, and wait until it is proven
	@$(PYTHON) -m local.snapshots take --stack=$(STACK) $(TARGET)

snapshots: .venv/installed ## list the snapshots, and how far the log goes (FORMAT=json: for programs)
	@$(PYTHON) -m local.snapshots list --stack=$(STACK) $(TARGET) $(if $(FORMAT),--format=$(FORMAT))

export: .venv/installed ## copy a proven restore file to FILE=... (SNAPSHOT=latest or NAME; YES=1: overwrite)
	@$(PYTHON) -m local.snapshots export --stack=$(STACK) $(TARGET) $(WHICH)

restore: .venv/installed ## have etcd start from SNAPSHOT=latest or NAME, FILE=... or EMPTY=yes; asks first (YES=1: does not)
	@$(PYTHON) -m local.snapshots restore --stack=$(STACK) $(TARGET) $(WHICH) $(if $(filter yes,$(EMPTY)),--empty)

replace-member: .venv/installed ## say that member N=... is gone for good, with its node; asks first (YES=1: does not)
	@$(PYTHON) -m local.replace_member --stack=$(STACK) $(TARGET) --member=$(or $(N),$(error say which: N=...)) $(if $(YES),--yes)

test: lint unit e2e ## all tests

unit: .venv/installed ## the tests that need no cluster
	@$(PYTHON) -m pytest tests/app tests/bench tests/chaos tests/infra tests/local

TRY = PYTHONPATH=app:. $(PYTHON) -m $(1) $(if $(SCHEDULES),--schedules=$(SCHEDULES)) $(if $(SEED),--seed=$(SEED))

model: .venv/installed ## try 200,000 schedules of the counting protocol, 100,000 of the members (SCHEDULES=..., SEED=...)
	@$(call TRY,tests.app.counter.explore)
	@$(call TRY,tests.app.controller.explore)

e2e: .venv/installed ## the tests on real etcd members, then on a local cluster of their own
	@$(PYTHON) -m pytest tests/members tests/e2e

bench: .venv/installed ## how fast the counter is beside others: 20 minutes, on a local cluster of its own
	@$(PYTHON) -m bench

chaos: .venv/installed ## whether it stays exact and up, whatever fails: 10 minutes, on a local cluster of its own
	@$(PYTHON) -m chaos

soak: .venv/installed ## a replica's memory over 200,000 requests, on the tests' cluster (CONNECTIONS=..., of 20 requests each)
	@CONNECTIONS=$(or $(CONNECTIONS),10000) $(PYTHON) -m pytest --capture=no tests/e2e/test_memory.py

lint: .venv/installed ## format, style and types
	@$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check . && $(PYTHON) -m mypy

pulumi-cli: .venv/installed ## install the pinned Pulumi CLI into ~/.pulumi
	@$(PYTHON) -c "from pulumi.automation import PulumiCommand; print(PulumiCommand.install(root='$(HOME)/.pulumi').command)"

COMPILE := $(PYTHON) -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links

requirements: .venv/installed ## pin what the requirements.in need, with hashes
	$(PYTHON) -m pip install --quiet pip-tools==7.6.2
	cd app && ../$(COMPILE) --output-file requirements.txt requirements.in
	cd app/controller && ../../$(COMPILE) --output-file requirements.txt requirements.in
	cd bench/programs/gunicorn && ../../../$(COMPILE) --output-file requirements.txt requirements.in
	$(COMPILE) --output-file requirements.txt requirements.in

.venv/installed: requirements.txt
	python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@
