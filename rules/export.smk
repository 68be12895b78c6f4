# The champion in four formats. On a cluster this is one job with what rules/verify.smk and
# rules/report.smk add: each takes less time than the wait for a place.


rule export:
    input:
        champion=R.champion,
        preprocessing=R.preprocessing,
        models=job.trained,
    output:
        saved_model=directory(R.saved_model),
        signature=R.signature,
    log:
        LOGS.log("export"),
    benchmark:
        LOGS.benchmark("export")
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        **job.script("export"),
        results=subpath(input.champion, parent=True),
    message:
        "Export the champion as a SavedModel"
    shell:
        command(
            "--champion {input.champion:q} --models {params.results:q}/models"
            " --preprocessing {input.preprocessing:q} --saved-model {output.saved_model:q}"
            " --signature {output.signature:q}"
        )


rule convert_tflite:
    input:
        saved_model=R.saved_model,
        signature=R.signature,
        preprocessing=R.preprocessing,
        examples=R.examples,
    output:
        directory(R.tflite),
    log:
        LOGS.log("convert_tflite"),
    benchmark:
        LOGS.benchmark("convert_tflite")
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        **job.script("convert_tflite"),
        uses=job.depends_on("export", "selection.metric", "seed"),
    message:
        "Convert the SavedModel to TF Lite"
    shell:
        command(
            "--config {params.config:q} --saved-model {input.saved_model:q}"
            " --signature {input.signature:q} --preprocessing {input.preprocessing:q}"
            " --examples {input.examples:q} --output {output:q}"
        )


rule convert_tfjs:
    input:
        saved_model=R.saved_model,
    output:
        directory(R.tfjs),
    log:
        LOGS.log("convert_tfjs"),
    benchmark:
        LOGS.benchmark("convert_tfjs")
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        **job.script("convert_tfjs"),
        uses=job.depends_on("export"),
    message:
        "Convert the SavedModel to TF.js"
    shell:
        command(
            "--config {params.config:q} --saved-model {input.saved_model:q}"
            " --output {output:q}"
        )


rule convert_onnx:
    input:
        saved_model=R.saved_model,
        signature=R.signature,
    output:
        directory(R.onnx),
    log:
        LOGS.log("convert_onnx"),
    benchmark:
        LOGS.benchmark("convert_onnx")
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        **job.script("convert_onnx"),
        uses=job.depends_on("export"),
    message:
        "Convert the SavedModel to ONNX"
    shell:
        command(
            "--config {params.config:q} --saved-model {input.saved_model:q}"
            " --signature {input.signature:q} --output {output:q}"
        )
