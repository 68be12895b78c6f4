# From examples to encoded features, by what is found in the training examples.


rule analyze:
    input:
        job.files_in("data.previous"),
        script=job.ours("scripts/analyze.py"),
        examples=R.examples,
        schema=R.schema,
        account=R.account,
    output:
        statistics=R.statistics,
        anomalies=report(
            R.anomalies,
            caption="captions/anomalies.rst",
            category="Data",
            labels={"file": "anomalies"},
        ),
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
        config=job.file,
        uses=job.depends_on("features", "seed"),
    message:
        "Fit the feature columns on the training examples and encode all splits"
    shell:
        "python {input.script} --config {params.config} --examples {input.examples}"
        " --schema {input.schema} --statistics {input.statistics}"
        " --preprocessing {output.preprocessing} --features {output.features}"
        " --encoded {output.encoded} 2>&1 | tee {log}"
