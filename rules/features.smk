# From examples to encoded features, by what is found in the training examples.


rule analyze:
    input:
        job.files_in("data.previous"),
        examples=R.examples,
        schema=R.schema,
        account=R.account,
    output:
        statistics=R.statistics,
        anomalies=R.anomalies,
        suggestion=R.suggestion,
    log:
        LOGS.log("analyze"),
    benchmark:
        LOGS.benchmark("analyze")
    conda:
        "../envs/millrace.yaml"
    threads: 2
    resources:
        mem_mb=grows(1000, 2),
        runtime=grows(15, 0.05),
    params:
        **job.script("analyze"),
        uses=job.depends_on("data"),
    message:
        "Compute statistics and detect anomalies"
    shell:
        command(
            "--config {params.config:q} --examples {input.examples:q}"
            " --schema {input.schema:q} --account {input.account:q}"
            " --statistics {output.statistics:q} --anomalies {output.anomalies:q}"
            " --suggestion {output.suggestion:q}"
        )


rule preprocess:
    input:
        job.files_in("features"),
        examples=R.examples,
        schema=R.schema,
        statistics=R.statistics,
    output:
        preprocessing=R.preprocessing,
        features=R.features,
        encoded=directory(R.encoded),
    log:
        LOGS.log("preprocess"),
    benchmark:
        LOGS.benchmark("preprocess")
    conda:
        "../envs/millrace.yaml"
    threads: 2
    resources:
        mem_mb=grows(1500, 2),
        runtime=grows(15, 0.05),
    params:
        **job.script("preprocess"),
        uses=job.depends_on("features", "seed"),
    message:
        "Fit the feature columns on the training examples and encode all splits"
    shell:
        command(
            "--config {params.config:q} --examples {input.examples:q}"
            " --schema {input.schema:q} --statistics {input.statistics:q}"
            " --preprocessing {output.preprocessing:q} --features {output.features:q}"
            " --encoded {output.encoded:q}"
        )
