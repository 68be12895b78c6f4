# One run of a model each (src/millrace/runs.py), then the best of the models.

# What later stages read of the runs. They take the folder, and find in the config what is in it.
MODELS = job.trained


# A run is named by its folder: tabm, tabm/seeds/1.
wildcard_constraints:
    model="[a-z0-9][a-z0-9_/]*",


rule train:
    input:
        lambda wildcards: job.files_in(
            f"models.{job.runs[wildcards.model].model}", "training.callbacks"
        ),
        lambda wildcards: job.earlier(wildcards.model),
        script=job.ours("scripts/train.py"),
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
        config=job.file,
        uses=lambda wildcards: job.run_depends_on(
            wildcards.model, "models", "training", "seed", "selection.folds"
        ),
        results=subpath(input.preprocessing, parent=True),
    message:
        "Train {wildcards.model}"
    shell:
        "python {input.script} --config {params.config} --model {wildcards.model}"
        " --preprocessing {input.preprocessing} --encoded {input.encoded}"
        " --models {params.results}/models --output {output.training}"
        " --hardware {output.hardware} 2>&1 | tee {log}"


rule evaluate:
    input:
        script=job.ours("scripts/evaluate.py"),
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
        config=job.file,
        uses=job.depends_on("evaluation", "selection.metric", "selection.folds", "seed"),
    message:
        "Evaluate {wildcards.model}"
    shell:
        "python {input.script} --config {params.config} --model {wildcards.model}"
        " --training {input.training} --preprocessing {input.preprocessing}"
        " --encoded {input.encoded} --examples {input.examples} --schema {input.schema}"
        " --metrics {output.metrics} --diagnostics {output.diagnostics}"
        " --predictions {output.predictions} 2>&1 | tee {log}"


rule select:
    input:
        # Not select.py: a script's folder comes first in Python's path, and the standard library
        # has a module of that name.
        script=job.ours("scripts/select_champion.py"),
        models=MODELS,
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
        config=job.file,
        uses=job.depends_on("models", "selection"),
        results=subpath(output.champion, parent=True),
    message:
        "Choose the champion and put it to the gate"
    shell:
        "python {input.script} --config {params.config} --models {params.results}/models"
        " --leaderboard {output.leaderboard} --scores {output.scores} --curves {output.curves}"
        " --champion {output.champion} 2>&1 | tee {log}"
