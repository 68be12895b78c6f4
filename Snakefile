# From a table to models that answer alike everywhere. `snakemake --cores 2 --configfile FILE` runs
# the job in FILE, `snakemake -n` shows what there is to do.
from snakemake.utils import min_version

from millrace.workflow.job import grows, prepare

min_version("9.0")


report: "rules/captions/workflow.rst"


# Snakemake would merge another config into this one, and its features would leak into that job.
if not workflow.configfiles:

    configfile: "config/config.yaml"


job = prepare(
    config, workflow.configfiles, workflow.current_basedir, workflow.modifier.modify_path
)
R = job.results
LOGS = job.logs


# First, so that it is the target; in a module it leaves the importing workflow its own.
rule all:
    input:
        R.parity,
        R.report,
        R.model_card,
        R.web,
        R.provenance,
    localrule: True


include: "rules/data.smk"
include: "rules/features.smk"
include: "rules/models.smk"
include: "rules/export.smk"
include: "rules/report.smk"
