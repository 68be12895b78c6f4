# The champion in three formats, and the proof that they agree. On a cluster all of it is one job,
# with what rules/report.smk adds: each takes less time than a place is waited for.


rule export:
    input:
        script=job.ours("scripts/export.py"),
        champion=f"{R}/champion.json",
        preprocessing=f"{R}/preprocessing.json",
        models=MODELS,
    output:
        saved_model=directory(f"{R}/export/saved_model/1"),
        signature=f"{R}/export/signature.json",
    log:
        f"{LOGS}/export.log",
    benchmark:
        f"{LOGS}/export.tsv"
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
        saved_model=f"{R}/export/saved_model/1",
        signature=f"{R}/export/signature.json",
        preprocessing=f"{R}/preprocessing.json",
        examples=f"{R}/examples",
    output:
        directory(f"{R}/export/tflite"),
    log:
        f"{LOGS}/convert_tflite.log",
    benchmark:
        f"{LOGS}/convert_tflite.tsv"
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
        saved_model=f"{R}/export/saved_model/1",
    output:
        directory(f"{R}/export/tfjs"),
    log:
        f"{LOGS}/convert_tfjs.log",
    benchmark:
        f"{LOGS}/convert_tfjs.tsv"
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
        champion=f"{R}/champion.json",
        models=MODELS,
        preprocessing=f"{R}/preprocessing.json",
        examples=f"{R}/examples",
        saved_model=f"{R}/export/saved_model/1",
        signature=f"{R}/export/signature.json",
        tflite=f"{R}/export/tflite",
        tfjs=f"{R}/export/tfjs",
    output:
        report(
            f"{R}/parity.json",
            caption="captions/parity.rst",
            category="Proof",
            labels={"file": "certificate"},
        ),
    log:
        f"{LOGS}/verify.log",
    benchmark:
        f"{LOGS}/verify.tsv"
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
