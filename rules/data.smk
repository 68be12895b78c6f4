# From raw files to examples. One process each, reading as a stream: memory stays flat.


rule fetch:
    input:
        job.local_files,
        job.files_in("data.database"),
    output:
        directory(job.raw.folder),
    log:
        LOGS.log("fetch"),
    benchmark:
        LOGS.benchmark("fetch")
    localrule: True  # the nodes of a cluster may have no network
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(500),
        runtime=grows(60, 0.1),
    params:
        **job.script("fetch"),
        uses=job.depends_on("data.files", "data.sha256", "data.database"),
    message:
        "Fetch the raw files and verify their checksums"
    shell:
        command("--config {params.config:q} --output {output:q}")


# One job for each part of the raw files; there is one part, unless the config says otherwise.
rule ingest:
    input:
        # Raw files on this disk stay where they are; what was fetched is in `raw`.
        job.local_files,
        job.files_in("data.schema"),
        raw=job.raw.folder,
    output:
        directory(R.part("{part}")),
    log:
        LOGS.log("ingest.{part}"),
    benchmark:
        LOGS.benchmark("ingest.{part}")
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(1000, 1),
        runtime=grows(15, 0.05),
    params:
        **job.script("ingest"),
        uses=job.depends_on("data", "seed"),
    message:
        "Ingest {input.raw} into TFRecords by split, part {wildcards.part}"
    shell:
        command(
            "--config {params.config:q} --raw {input.raw:q} --part {wildcards.part:q}"
            " --output {output:q}"
        )


rule gather:
    input:
        [R.part(part) for part in job.parts],
    output:
        examples=directory(R.examples),
        schema=R.schema,
        account=R.account,
        rejected=R.rejected,
    log:
        LOGS.log("gather"),
    benchmark:
        LOGS.benchmark("gather")
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(15, 0.05),
    params:
        **job.script("gather"),
        results=subpath(output.schema, parent=True),
        uses=job.depends_on("data"),
    message:
        "Join the parts and check that row counts add up"
    shell:
        command(
            "--config {params.config:q} --parts {params.results:q}/parts"
            " --examples {output.examples:q} --schema {output.schema:q}"
            " --account {output.account:q} --rejected {output.rejected:q}"
        )
