# From a table to models that answer alike everywhere. `snakemake --cores 2 --configfile FILE` runs
# the job in FILE, `snakemake -n` shows what would run.
import os
import sys
import time

from snakemake.settings.types import DeploymentMethod
from snakemake.utils import min_version

from millrace.errors import DRIVER
from millrace.workflow import failures
from millrace.workflow.job import command, prepare, readable
from millrace.workflow.resources import grows

min_version("9.0")


report: "rules/captions/workflow.rst"


# Snakemake would merge another config into this one, and its features would leak into that job.
if not (workflow.configfiles or workflow.modifier.skip_configfile):

    configfile: readable("config/config.yaml")


# The interpreter that runs Snakemake, unless each rule's `conda` brings one.
methods = workflow.deployment_settings.deployment_method
job = prepare(
    config,
    workflow.configfiles,
    workflow.current_basedir,
    place=workflow.modifier.modify_path,
    overrides=(
        None if workflow.modifier.skip_configfile else workflow.config_settings.config
    ),
    python="python" if DeploymentMethod.CONDA in methods else sys.executable,
)
R = job.results
LOGS = job.logs
SCORED = R.scored_file("{file}", job.config.score.format)
STARTED = time.time()
# Stages end when this process does, killed or not.
os.environ[DRIVER] = str(os.getpid())


# Last on the screen, after what Snakemake says of the jobs that failed and did not run.
onerror:
    failures.print_last(LOGS.folder, STARTED)


# First, so that it is the target; in a module it leaves the importing workflow its own.
rule all:
    input:
        R.parity,
        R.report,
        R.model_card,
        R.page,
        R.provenance,
    localrule: True


rule scores:
    input:
        expand(SCORED.predictions, file=job.scored),
    localrule: True


include: "rules/data.smk"
include: "rules/features.smk"
include: "rules/rehearse.smk"
include: "rules/models.smk"
include: "rules/export.smk"
include: "rules/verify.smk"
include: "rules/report.smk"
include: "rules/score.smk"
include: "rules/push.smk"
