# From raw files to examples. One process each, reading as a stream: memory stays flat.


rule fetch:
    input:
        job.local_files,
        job.files_in("data.database"),
        script=job.ours("scripts/fetch.py"),
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
        config=job.file,
        uses=job.depends_on("data.files", "data.sha256", "data.database"),
    message:
        "Fetch the raw files and verify their checksums"
    shell:
        "python {input.script} --config {params.config} --output {output} 2>&1 | tee {log}"


# One job for each part of the raw files; there is one part, unless the config says otherwise.
rule ingest:
    input:
        job.files_in("data.schema"),
        script=job.ours("scripts/ingest.py"),
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
        config=job.file,
        uses=job.depends_on("data", "seed"),
    message:
        "Divide the rows of {input.raw} into splits, as TFRecords: part {wildcards.part}"
    shell:
        "python {input.script} --config {params.config} --raw {input.raw}"
        " --part {wildcards.part} --output {output} 2>&1 | tee {log}"


rule gather:
    input:
        [R.part(part) for part in job.parts],
        script=job.ours("scripts/gather.py"),
    output:
        examples=directory(R.examples),
        schema=R.schema,
        account=report(
            R.account,
            caption="captions/account.rst",
            category="Data",
            labels={"file": "rows"},
        ),
        rejected=report(
            R.rejected,
            caption="captions/rejected.rst",
            category="Data",
            labels={"file": "rejected rows"},
        ),
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
        config=job.file,
        results=subpath(output.schema, parent=True),
        uses=job.depends_on("data"),
    message:
        "Join the parts, and check that every row is accounted for"
    shell:
        "python {input.script} --config {params.config} --parts {params.results}/parts"
        " --examples {output.examples} --schema {output.schema} --account {output.account}"
        " --rejected {output.rejected} 2>&1 | tee {log}"
