# One run of a model each (src/millrace/config/runs.py), then the best of the models.


# A run is named by its folder: tabm, tabm/seeds/1.
wildcard_constraints:
    model="[a-z0-9][a-z0-9_/]*",


rule train:
    input:
        lambda wildcards: job.files_in(
            f"models.{job.runs[wildcards.model].model}", "training.callbacks"
        ),
        lambda wildcards: job.earlier(wildcards.model),
        lambda wildcards: R.rehearsal_of(job.rehearsed(wildcards.model)),
        preprocessing=R.preprocessing,
        encoded=R.encoded,
    output:
        training=directory(R.run("{model}").training),
        hardware=R.hardware_of("{model}"),
    log:
        LOGS.log("train/{model}"),
    benchmark:
        LOGS.benchmark("train/{model}")
    conda:
        "../envs/millrace.yaml"
    # TensorFlow uses every core it finds; two models at a time would only share them.
    threads: 2
    resources:
        mem_mb=grows(1500, 10),
        runtime=grows(60, 5),
        # Several workers are one job of several nodes.
        nodes=lambda wildcards: job.workers(wildcards.model),
        tasks=lambda wildcards: job.workers(wildcards.model),
        mpi=lambda wildcards: job.workers(wildcards.model) and "srun",
    params:
        **job.script("train"),
        uses=lambda wildcards: job.run_depends_on(
            wildcards.model, "models", "training", "seed", "selection.folds"
        ),
        results=subpath(input.preprocessing, parent=True),
    message:
        "Train {wildcards.model}"
    shell:
        command(
            "--config {params.config:q} --model {wildcards.model:q}"
            " --preprocessing {input.preprocessing:q} --encoded {input.encoded:q}"
            " --models {params.results:q}/models --output {output.training:q}"
            " --hardware {output.hardware:q}"
        )


rule evaluate:
    input:
        training=R.run("{model}").training,
        preprocessing=R.preprocessing,
        encoded=R.encoded,
        examples=R.examples,
        schema=R.schema,
    output:
        metrics=report(
            R.run("{model}").metrics,
            caption="captions/metrics.rst",
            category="Models",
            labels={"model": "{model}", "file": "metrics"},
        ),
        diagnostics=R.run("{model}").diagnostics,
        predictions=R.run("{model}").predictions,
    log:
        LOGS.log("evaluate/{model}"),
    benchmark:
        LOGS.benchmark("evaluate/{model}")
    conda:
        "../envs/millrace.yaml"
    threads: 2
    resources:
        mem_mb=grows(1500, 3),
        runtime=grows(30, 0.2),
    params:
        **job.script("evaluate"),
        uses=job.depends_on("evaluation", "selection.metric", "selection.folds", "seed"),
    message:
        "Evaluate {wildcards.model}"
    shell:
        command(
            "--config {params.config:q} --model {wildcards.model:q}"
            " --training {input.training:q} --preprocessing {input.preprocessing:q}"
            " --encoded {input.encoded:q} --examples {input.examples:q}"
            " --schema {input.schema:q} --metrics {output.metrics:q}"
            " --diagnostics {output.diagnostics:q} --predictions {output.predictions:q}"
        )


rule select:
    input:
        models=job.trained,
    output:
        leaderboard=report(
            R.leaderboard,
            caption="captions/leaderboard.rst",
            category="Models",
            labels={"model": "all", "file": "leaderboard"},
        ),
        scores=R.scores,
        curves=R.curves,
        champion=R.champion,
    log:
        LOGS.log("select"),
    benchmark:
        LOGS.benchmark("select")
    localrule: True
    conda:
        "../envs/millrace.yaml"
    resources:
        mem_mb=grows(500),
        runtime=grows(10),
    params:
        # Not select.py: a script's folder comes first in Python's path, and the standard library
        # has a module of that name.
        **job.script("select_champion"),
        uses=job.depends_on("models", "selection", "evaluation"),
        results=subpath(output.champion, parent=True),
    message:
        "Select the champion and check the gate"
    shell:
        command(
            "--config {params.config:q} --models {params.results:q}/models"
            " --leaderboard {output.leaderboard:q} --scores {output.scores:q}"
            " --curves {output.curves:q} --champion {output.champion:q}"
        )
