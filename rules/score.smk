# New rows of `score.files`, each file in its own job. No part of `all`: `snakemake scores`.


rule score:
    input:
        rows=lambda wildcards: job.new_rows(wildcards.file),
        schema=R.schema,
        signature=R.signature,
        saved_model=R.saved_model,
        tflite=R.tflite,
        parity=R.parity,
    output:
        predictions=SCORED.predictions,
        rejected=SCORED.rejected,
        account=SCORED.account,
    log:
        LOGS.log("score/{file}"),
    benchmark:
        LOGS.benchmark("score/{file}")
    conda:
        "../envs/millrace.yaml"
    threads: 2
    resources:
        mem_mb=grows(1000),
        runtime=grows(15, 0.1),
    params:
        **job.script("score"),
        uses=job.depends_on("data", "score.model"),
        results=subpath(input.schema, parent=True),
    message:
        "Score {input.rows}"
    shell:
        command(
            "--config {params.config:q} --results {params.results:q} --rows {input.rows:q}"
            " --output {output.predictions:q}"
        )
