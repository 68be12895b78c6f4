# From raw files to encoded examples. One process each, reading as a stream: memory stays flat.


rule fetch:
    input:
        job.local_files,
        job.files_in("data.database"),
        script=job.ours("scripts/fetch.py"),
    output:
        directory(f"data/raw/{job.name}"),
    log:
        f"{LOGS}/fetch.log",
    benchmark:
        f"{LOGS}/fetch.tsv"
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
        raw=f"data/raw/{job.name}",
    output:
        directory(f"{R}/parts/{{part}}"),
    log:
        f"{LOGS}/ingest.{{part}}.log",
    benchmark:
        f"{LOGS}/ingest.{{part}}.tsv"
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
        expand(f"{R}/parts/{{part}}", part=job.parts),
        script=job.ours("scripts/gather.py"),
    output:
        examples=directory(f"{R}/examples"),
        schema=f"{R}/schema.json",
        account=report(
            f"{R}/ingest.json",
            caption="captions/account.rst",
            category="Data",
            labels={"file": "rows"},
        ),
        rejected=report(
            f"{R}/rejected.csv",
            caption="captions/rejected.rst",
            category="Data",
            labels={"file": "rejected rows"},
        ),
    log:
        f"{LOGS}/gather.log",
    benchmark:
        f"{LOGS}/gather.tsv"
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


rule analyze:
    input:
        job.files_in("data.previous"),
        script=job.ours("scripts/analyze.py"),
        examples=f"{R}/examples",
        schema=f"{R}/schema.json",
        account=f"{R}/ingest.json",
    output:
        statistics=f"{R}/statistics.json",
        anomalies=report(
            f"{R}/anomalies.json",
            caption="captions/anomalies.rst",
            category="Data",
            labels={"file": "anomalies"},
        ),
        suggestion=f"{R}/suggested_schema.json",
    log:
        f"{LOGS}/analyze.log",
    benchmark:
        f"{LOGS}/analyze.tsv"
    conda:
        "../envs/millrace.yaml"
    threads: 2
    resources:
        mem_mb=grows(1000, 2),
        runtime=grows(15, 0.05),
    params:
        config=job.file,
        uses=job.depends_on("data"),
    message:
        "Describe every column and look for anomalies"
    shell:
        "python {input.script} --config {params.config} --examples {input.examples}"
        " --schema {input.schema} --account {input.account} --statistics {output.statistics}"
        " --anomalies {output.anomalies} --suggestion {output.suggestion} 2>&1 | tee {log}"


rule preprocess:
    input:
        job.files_in("features"),
        script=job.ours("scripts/preprocess.py"),
        examples=f"{R}/examples",
        schema=f"{R}/schema.json",
        statistics=f"{R}/statistics.json",
    output:
        preprocessing=f"{R}/preprocessing.json",
        features=f"{R}/features.yaml",
        encoded=directory(f"{R}/encoded"),
    log:
        f"{LOGS}/preprocess.log",
    benchmark:
        f"{LOGS}/preprocess.tsv"
    conda:
        "../envs/millrace.yaml"
    threads: 2
    resources:
        mem_mb=grows(1500, 2),
        runtime=grows(15, 0.05),
    params:
        config=job.file,
        uses=job.depends_on("features", "seed"),
    message:
        "Fit the feature columns on the training examples and encode all splits"
    shell:
        "python {input.script} --config {params.config} --examples {input.examples}"
        " --schema {input.schema} --statistics {input.statistics}"
        " --preprocessing {output.preprocessing} --features {output.features}"
        " --encoded {output.encoded} 2>&1 | tee {log}"
