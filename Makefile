# `make` lists the targets. Each installs what it needs into this folder, once.

PYTHON ?= python3
CONFIG ?= config/config.yaml
OF ?= results/flights
CORES ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
ENV ?= cpu

# Recipes get what was given on the command line from the environment: neither make nor the shell
# takes anything in a name for a command.
export JOB_CONFIG := $(value CONFIG)
export JOB_RESULTS := $(value OF)
export JOB_ROWS := $(value ROWS)
export JOB_SCORED := $(value OUT)
export JOB_CORES := $(CORES)
export JOB_SOURCE := $(value SRC)
export JOB_TARGET := $(value DST)

ifeq ($(ENV),gpu)
VENV := .venv-gpu
LOCK := envs/millrace-gpu.lock
GIGABYTES := 10
else
VENV := .venv
LOCK := envs/millrace.lock
GIGABYTES := 4
endif

# `python`, `snakemake`, `node` and the rest are the environment's in every recipe, and in the jobs
# that these start.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help install run score bless push rollback monitor costs reproduce upgrade slurm test test-unit test-fast test-slurm to-dvc to-snakemake format lint docs site dvc lock clean

help: ## List the targets and the variables
	@echo 'Usage: make TARGET [VARIABLE=VALUE ...]'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /  \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
	@echo
	@echo 'Variables: CONFIG=$(CONFIG)  CORES=$(CORES)  PYTHON=$(PYTHON)  ENV=$(ENV) (or gpu, for NVIDIA GPUs)'

install: $(INSTALLED) ## Install everything into .venv and web/node_modules, once

run: $(INSTALLED) ## Run the job in CONFIG, from the table to the models, the report and the page
	@python -m millrace.console.check --config "$$JOB_CONFIG"
	@snakemake --cores "$$JOB_CORES" --configfile "$$JOB_CONFIG" --quiet host reason
	@python -m millrace.console.summary --config "$$JOB_CONFIG"

score: $(INSTALLED) ## Score new rows with the exported model: make score ROWS=new.csv OUT=scored.parquet
	@python scripts/score.py --config "$$JOB_CONFIG" --rows "$$JOB_ROWS" --output "$$JOB_SCORED"

bless: $(INSTALLED) ## Decide whether the champion of CONFIG may replace the model in use
	@python scripts/bless.py --config "$$JOB_CONFIG"

push: $(INSTALLED) ## Put the blessed champion under serving/, as TensorFlow Serving polls it
	@python scripts/push.py --config "$$JOB_CONFIG"

rollback: $(INSTALLED) ## Serve the version before the one in use again
	@python scripts/push.py --config "$$JOB_CONFIG" --rollback

monitor: $(INSTALLED) ## Compare new rows with the training examples: make monitor ROWS=new.csv OUT=monitor.json
	@python scripts/monitor.py --config "$$JOB_CONFIG" --rows "$$JOB_ROWS" --output "$$JOB_SCORED"

costs: $(INSTALLED) ## Say what each model of the job in CONFIG costs to train, to ship and to ask for a row
	@python -m millrace.console.costs --config "$$JOB_CONFIG"

reproduce: $(INSTALLED) ## Make results again from a clean clone and compare: make reproduce OF=results/flights
	@python -m millrace.console.reproduce --provenance "$$JOB_RESULTS"/provenance.json --cores "$$JOB_CORES"

upgrade: $(INSTALLED) ## Upgrade a copy of TensorFlow 1 code: make upgrade SRC=old/ DST=new/
	@python scripts/upgrade.py --source "$$JOB_SOURCE" --target "$$JOB_TARGET"

slurm: $(VENV)/slurm ## Add what `snakemake --profile profiles/slurm` needs

test: $(INSTALLED) $(VENV)/docs $(VENV)/plugins/kubernetes ## Run all tests (about 40 minutes on 2 cores)
	$(PYTEST)

test-unit: $(INSTALLED) $(VENV)/docs ## Run the unit tests, the slow ones too (about 10 minutes)
	$(PYTEST) -m 'not end_to_end'

test-fast: $(INSTALLED) $(VENV)/docs ## Run the tests that take less than 3 minutes together
	$(PYTEST) -m 'not slow and not end_to_end'
# The tests of a file share what they make. Those with whole jobs come first, by name. A test that
# ends its worker ends the run, which would otherwise wait for the rest of that file for ever.
PYTEST = pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	--max-worker-restart 0

test-slurm: $(VENV)/slurm ## Run a job on a SLURM of two nodes that is started here (root on Debian)
	@python -m tests.end_to_end.slurm

to-dvc: $(INSTALLED) ## After `snakemake`: tell DVC that the results are current
	@python -m millrace.workflow.drivers to-dvc

to-snakemake: $(INSTALLED) ## After `dvc repro` or `dvc pull`: tell Snakemake so
	@python -m millrace.workflow.drivers to-snakemake

format: $(INSTALLED) ## Format the sources
	ruff check --fix && ruff format && snakefmt Snakefile rules

lint: $(INSTALLED) $(VENV)/docs ## Check the sources: style, types, spelling
	ruff check && ruff format --check && snakefmt --check Snakefile rules && mypy && typos

site: $(INSTALLED) $(VENV)/docs ## Build the documentation into site/
	zensical build --clean --strict

docs: $(INSTALLED) ## Write config/schema.json and the generated pages of docs/
	for module in millrace.config.reference millrace.artifacts.reference tools.reference_pages; do \
	    python -m $$module || exit; done

dvc: $(INSTALLED) ## After a change of rules/ or config/config.yaml, write dvc.yaml from them
	@python -m millrace.workflow.drivers dvc

lock: $(INSTALLED) ## Pin the newest versions that envs/*.in allow (for maintainers)
	pip install --quiet --disable-pip-version-check uv
	$(COMPILE) --upgrade envs/millrace.in -o envs/millrace.lock
	$(COMPILE) --upgrade -c envs/millrace.lock envs/millrace-gpu.in -o envs/millrace-gpu.lock
	for name in slurm kubernetes docs; do \
	    $(COMPILE) --upgrade -c envs/millrace.lock envs/$$name.in -o envs/$$name.lock || exit; done
	$(MAKE) envs/millrace.yaml envs/millrace-gpu.yaml
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate

envs/%.yaml: envs/%.lock
	{ printf 'channels: [conda-forge, nodefaults]\ndependencies:\n  - python=3.12\n  - pip\n  - pip:\n'; \
	sed -n 's/^\([a-z].*[^ ]\) *\\$$/      - \1/p' $<; } > $@

clean: ## Remove results and logs, fetched data among them; the environment stays
	rm -rf results logs .snakemake site

$(INSTALLED): $(LOCK) envs/tfjs.lock envs/data.lock pyproject.toml web/package-lock.json
	@command -v $(PYTHON) >/dev/null || { echo 'Expected Python 3.11, 3.12 or 3.13 as $(PYTHON), found none: install it, or name it, as in `make run PYTHON=python3.12`.'; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) envs/preflight.py $(GIGABYTES)
	@echo 'Installing into $(VENV) and web/node_modules: takes a few minutes, once.'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	sh envs/millrace.post-deploy.sh
	@touch $@

# For the tests alone: in the environment it would make every call of Snakemake slower.
$(VENV)/plugins/%: envs/%.lock $(INSTALLED)
	python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade --target $@ -r $<
	@touch $@

$(VENV)/%: envs/%.lock $(INSTALLED)
	python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
