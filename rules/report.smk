# What people read: the report, the model card, the page that predicts; and what made all this.


PAGES = (R.report, R.model_card, R.page)


rule report:
    input:
        raw=job.raw.folder,
        # It lists every artifact with its size.
        artifacts=[path for path in R.recorded() if path not in PAGES],
        hardware=[R.hardware_of(run) for run in job.runs],
        models=job.trained,
    output:
        report=report(
            R.report,
            caption="captions/report.rst",
            category="Result",
            labels={"file": "report"},
        ),
        model_card=report(
            R.model_card,
            caption="captions/model_card.rst",
            category="Result",
            labels={"file": "model card"},
        ),
        page=report(
            R.page,
            caption="captions/page.rst",
            category="Result",
            labels={"file": "page that predicts"},
        ),
    log:
        LOGS.log("report"),
    benchmark:
        LOGS.benchmark("report")
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        **job.script("report"),
        uses=job.depends_on(*job.plain),
        results=subpath(output.report, parent=True),
    message:
        "Write the report, the model card and the page that predicts"
    shell:
        command(
            "--config {params.config:q} --results {params.results:q}"
            " --report {output.report:q} --model-card {output.model_card:q}"
            " --page {output.page:q}"
        )


rule provenance:
    input:
        raw=job.raw.folder,
        hardware=[R.hardware_of(run) for run in job.runs],
        artifacts=R.recorded(),
        models=job.trained,
    output:
        provenance=report(
            R.provenance,
            caption="captions/provenance.rst",
            category="Result",
            labels={"file": "provenance"},
        ),
    log:
        LOGS.log("provenance"),
    benchmark:
        LOGS.benchmark("provenance")
    group:
        "export"
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(500),
        runtime=grows(10, 0.01),
    params:
        **job.script("provenance"),
        uses=job.depends_on(*job.plain),
        results=subpath(output.provenance, parent=True),
    message:
        "Record the provenance of the results"
    shell:
        command(
            "--config {params.config:q} --raw {input.raw:q} --results {params.results:q}"
            " --provenance {output.provenance:q}"
        )
