# What can be tried of the export before hours are spent on training.


wildcard_constraints:
    rehearsed="[a-z0-9_-]+",


# A training waits for it, so that nothing may make it run again that does not make its trainings
# run again: neither the export's code nor its settings. Those are proven when the champion is.
rule rehearse:
    input:
        # Raw files on this disk stay where they are; what was fetched is in the folder.
        job.local_files,
        job.raw.folder,
        lambda wildcards: job.files_of(wildcards.rehearsed),
        preprocessing=R.preprocessing,
        examples=R.examples,
    output:
        R.rehearsal_of("{rehearsed}"),
    log:
        LOGS.log("rehearse/{rehearsed}"),
    benchmark:
        LOGS.benchmark("rehearse/{rehearsed}")
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        **job.script("rehearse", code_of="train"),
        uses=lambda wildcards: job.rehearsal_depends_on(wildcards.rehearsed),
    message:
        "Export untrained models, to see before training that it works: {wildcards.rehearsed}"
    shell:
        command(
            "--config {params.config:q} --rehearsed {wildcards.rehearsed:q}"
            " --preprocessing {input.preprocessing:q} --examples {input.examples:q}"
            " --output {output:q}"
        )
