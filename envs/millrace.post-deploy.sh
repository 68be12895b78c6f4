#!/bin/sh
# Completes an environment that holds the locked packages. The Makefile runs this for its virtual
# environment, Snakemake for its conda environment.
set -eu
python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --require-hashes -r envs/tfjs.lock -r envs/data.lock
python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --editable .
npm --prefix web ci --no-audit --no-fund --loglevel=error
python -m millrace.workflow.dvc_plots
