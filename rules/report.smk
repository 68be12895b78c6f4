# What people read: the report, the model card, the page that predicts; and what made all this.
from millrace.report.provenance import ARTIFACTS


rule report:
    input:
        script=job.ours("scripts/report.py"),
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
        report=report(
            f"{R}/report.html",
            caption="captions/report.rst",
            category="Result",
            labels={"file": "report"},
        ),
        model_card=report(
            f"{R}/model_card.md",
            caption="captions/model_card.rst",
            category="Result",
            labels={"file": "model card"},
        ),
        web=report(
            directory(f"{R}/web"),
            htmlindex="index.html",
            caption="captions/page.rst",
            category="Result",
            labels={"file": "page that predicts"},
        ),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{LOGS}/report.tsv"
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        config=job.file,
        uses=job.config,
        results=subpath(output.report, parent=True),
    message:
        "Write the report, the model card and the page that predicts"
    shell:
        "python {input.script} --config {params.config} --results {params.results}"
        " --report {output.report} --model-card {output.model_card} --web {output.web}"
        " 2>&1 | tee {log}"


rule provenance:
    input:
        script=job.ours("scripts/provenance.py"),
        raw=f"data/raw/{job.name}",
        hardware=expand(f"{R}/hardware/{{model}}.json", model=job.runs),
        artifacts=expand(f"{R}/{{artifact}}", artifact=ARTIFACTS),
        models=MODELS,
    output:
        provenance=report(
            f"{R}/provenance.json",
            caption="captions/provenance.rst",
            category="Result",
            labels={"file": "provenance"},
        ),
    log:
        f"{LOGS}/provenance.log",
    benchmark:
        f"{LOGS}/provenance.tsv"
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(500),
        runtime=grows(10, 0.01),
    params:
        config=job.file,
        uses=job.config,
        results=subpath(output.provenance, parent=True),
    message:
        "Write down what made the results"
    shell:
        "python {input.script} --config {params.config} --raw {input.raw}"
        " --results {params.results} --provenance {output.provenance} 2>&1 | tee {log}"
