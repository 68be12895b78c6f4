# Whether the champion may replace the model in use, and its way into serving/<name>. No part of
# `all`: `snakemake push`.


rule bless:
    input:
        # As in verify: the rows are read from the raw files.
        job.local_files,
        job.raw.folder,
        examples=R.examples,
        schema=R.schema,
        statistics=R.statistics,
        signature=R.signature,
        saved_model=R.saved_model,
        tflite=R.tflite,
        tfjs=R.tfjs,
        onnx=R.onnx,
        parity=R.parity,
    output:
        blessing=R.blessing,
        warm_up=R.warm_up,
    log:
        LOGS.log("bless"),
    benchmark:
        LOGS.benchmark("bless")
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        **job.script("bless"),
        uses=job.depends_on(
            "bless",
            "data",
            "evaluation",
            "parity",
            "report",
            "selection.metric",
            "seed",
        ),
        results=subpath(input.schema, parent=True),
    message:
        "Compare the champion with the model in use"
    shell:
        command("--config {params.config:q} --results {params.results:q}")


rule push:
    input:
        blessing=R.blessing,
        warm_up=R.warm_up,
        signature=R.signature,
        saved_model=R.saved_model,
        tflite=R.tflite,
        tfjs=R.tfjs,
        onnx=R.onnx,
        parity=R.parity,
    output:
        R.pushed,
    log:
        LOGS.log("push"),
    benchmark:
        LOGS.benchmark("push")
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(500),
        runtime=grows(5),
    params:
        **job.script("push"),
        uses=job.depends_on("push"),
        results=subpath(input.blessing, parent=True),
    message:
        "Push the blessed champion"
    shell:
        command("--config {params.config:q} --results {params.results:q}")
