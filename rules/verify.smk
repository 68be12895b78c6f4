# The proof that the exported models agree.


rule verify:
    input:
        job.files_in("models"),
        # Raw files on this disk stay where they are; what was fetched is in the folder.
        job.local_files,
        job.raw.folder,
        champion=R.champion,
        models=job.trained,
        preprocessing=R.preprocessing,
        examples=R.examples,
        saved_model=R.saved_model,
        signature=R.signature,
        tflite=R.tflite,
        tfjs=R.tfjs,
        onnx=R.onnx,
    output:
        R.parity,
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
        **job.script("verify"),
        uses=job.depends_on("data", "models", "parity", "export", "seed"),
        results=subpath(input.champion, parent=True),
    message:
        "Compare the predictions of all runtimes"
    shell:
        command(
            "--config {params.config:q} --champion {input.champion:q}"
            " --models {params.results:q}/models --preprocessing {input.preprocessing:q}"
            " --examples {input.examples:q} --saved-model {input.saved_model:q}"
            " --signature {input.signature:q} --tflite {input.tflite:q}"
            " --tfjs {input.tfjs:q} --onnx {input.onnx:q} --parity {output:q}"
        )
