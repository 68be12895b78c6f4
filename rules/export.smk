# The champion in three formats, and the proof that they agree. On a cluster all of it is one job,
# with what rules/report.smk adds: each takes less time than a place is waited for.


rule export:
    input:
        script=job.ours("scripts/export.py"),
        champion=R.champion,
        preprocessing=R.preprocessing,
        models=MODELS,
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
        results=subpath(input.champion, parent=True),
    message:
        "Export the champion as a SavedModel"
    shell:
        "python {input.script} --champion {input.champion}"
        " --models {params.results}/models --preprocessing {input.preprocessing}"
        " --saved-model {output.saved_model} --signature {output.signature} 2>&1 | tee {log}"


rule convert_tflite:
    input:
        script=job.ours("scripts/convert_tflite.py"),
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
        config=job.file,
        uses=job.depends_on("export", "selection.metric", "seed"),
    message:
        "Convert the SavedModel to TF Lite"
    shell:
        "python {input.script} --config {params.config} --saved-model {input.saved_model}"
        " --signature {input.signature} --preprocessing {input.preprocessing}"
        " --examples {input.examples} --output {output} 2>&1 | tee {log}"


rule convert_tfjs:
    input:
        script=job.ours("scripts/convert_tfjs.py"),
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
        config=job.file,
        uses=job.depends_on("export"),
    message:
        "Convert the SavedModel to TF.js"
    shell:
        "python {input.script} --config {params.config} --saved-model {input.saved_model}"
        " --output {output} 2>&1 | tee {log}"


rule verify:
    input:
        job.files_in("models"),
        script=job.ours("scripts/verify.py"),
        runner=job.ours("web/predict.mjs"),
        champion=R.champion,
        models=MODELS,
        preprocessing=R.preprocessing,
        examples=R.examples,
        saved_model=R.saved_model,
        signature=R.signature,
        tflite=R.tflite,
        tfjs=R.tfjs,
    output:
        report(
            R.parity,
            caption="captions/parity.rst",
            category="Proof",
            labels={"file": "certificate"},
        ),
    log:
        LOGS.log("verify"),
    benchmark:
        LOGS.benchmark("verify")
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        config=job.file,
        uses=job.depends_on("models", "parity", "export", "seed"),
        results=subpath(input.champion, parent=True),
    message:
        "Compare all runtimes, row by row"
    shell:
        "python {input.script} --config {params.config} --champion {input.champion}"
        " --models {params.results}/models --preprocessing {input.preprocessing}"
        " --examples {input.examples} --saved-model {input.saved_model} --signature {input.signature}"
        " --tflite {input.tflite} --tfjs {input.tfjs} --parity {output} 2>&1 | tee {log}"
