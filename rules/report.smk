# What people read: the report, the model card and the page that predicts.


rule report:
    input:
        script="scripts/report.py",
        ingest=f"{R}/ingest.json",
        schema=f"{R}/schema.json",
        statistics=f"{R}/statistics.json",
        anomalies=f"{R}/anomalies.json",
        leaderboard=f"{R}/leaderboard.csv",
        champion=f"{R}/champion.json",
        models=MODELS,
        signature=f"{R}/export/signature.json",
        tflite=f"{R}/export/tflite",
        tfjs=f"{R}/export/tfjs",
        parity=f"{R}/parity.json",
    output:
        report=f"{R}/report.html",
        model_card=f"{R}/model_card.md",
        web=directory(f"{R}/web"),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{LOGS}/report.tsv"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        config=job.file,
        uses=job.config,
        results=lambda wildcards, input: R,
    message:
        "Write the report, the model card and the page that predicts"
    shell:
        "python {input.script} --config {params.config} --results {params.results}"
        " --report {output.report} --model-card {output.model_card} --web {output.web}"
        " 2>&1 | tee {log}"
