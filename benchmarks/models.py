"""Every model at its defaults beside LightGBM, XGBoost and CatBoost at theirs, on the same rows.

    python benchmarks/models.py --peers path/to/python [--data ../shared/data] [--seeds 3]
        [--sets adult ames …] [--models tabm …]

`--peers` names a Python with envs/benchmarks.lock. Nothing is tuned by data set: features are
`auto`, and each contestant gets the same training, validation and test rows (the split files lie
beside the data). Every training is a process of its own; its CPU seconds and peak memory are those
of the whole process, imports included. One thread for the peers, whatever TensorFlow takes for
ours. Writes benchmarks/models.json, adding to what is there; the tables in docs/ are made from it.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from tables import TABLES, Table

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "out" / "models"
RESULT = Path(__file__).with_suffix(".json")
MODELS = ["linear", "dnn", "wide_deep", "dcn", "tabm", "boosted_trees"]
PEERS = ["lightgbm", "lightgbm_tuned", "xgboost", "catboost"]
SPLITS = ("train", "validation", "test")


def main() -> None:
    """Runs what is asked for and adds it to models.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--models", nargs="*", default=MODELS)
    arguments = parser.parse_args()

    for name in arguments.sets:
        directory = OUT / name
        table = TABLES[name]
        config = prepare(directory, name, table, arguments.data)
        for model in arguments.models:
            for seed in range(arguments.seeds):
                keep(train_ours(directory, config, name, model, seed))
        for peer in PEERS if arguments.peers else []:
            for seed in range(arguments.seeds):
                keep(train_peer(directory, arguments.peers, name, table, peer, seed))


def prepare(directory: Path, name: str, table: Table, data: Path) -> Path:
    """Writes the rows of each split and takes them through the stages before train, once."""
    config = directory / "config.yaml"
    if (directory / "encoded").exists():
        return config
    directory.mkdir(parents=True, exist_ok=True)
    for split, part in zip(SPLITS, table.read(data), strict=True):
        part.to_csv(directory / f"{split}.csv", index=False)
    job = {
        "name": name,
        "data": {
            "files": {split: str(directory / f"{split}.csv") for split in SPLITS},
            "label": table.label,
            "task": table.task,
        },
        "models": {model: {"kind": model} for model in MODELS},
    }
    config.write_text(yaml.safe_dump(job))
    d = directory
    examples = ["--examples", d / "examples", "--schema", d / "schema.json"]
    stage("fetch", config, "--output", d / "raw")
    account = ["--account", d / "ingest.json", "--rejected", d / "rejected.csv"]
    stage("ingest", config, "--raw", d / "raw", *examples, *account)
    statistics = ["--statistics", d / "statistics.json"]
    stage("analyze", config, *examples, *statistics, "--anomalies", d / "anomalies.json")
    learned = ["--preprocessing", d / "preprocessing.json", "--features", d / "features.yaml"]
    stage("preprocess", config, *examples, *statistics, *learned, "--encoded", d / "encoded")
    return config


def stage(name: str, config: Path, *arguments: object) -> dict[str, float]:
    """Runs a stage's script; returns what it cost."""
    command = [sys.executable, ROOT / "scripts" / f"{name}.py", "--config", config, *arguments]
    return run([str(part) for part in command])


def run(command: list[str]) -> dict[str, float]:
    """Runs a command to its end; returns its CPU seconds and peak memory."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    seconds = usage.ru_utime + usage.ru_stime
    return {"cpu_seconds": round(seconds, 1), "peak_mb": usage.ru_maxrss // 1024}


def train_ours(directory: Path, config: Path, name: str, model: str, seed: int) -> dict[str, Any]:
    """Trains one of our models with train.py; returns its entry in models.json."""
    seeded = directory / f"config_{seed}.yaml"
    seeded.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "seed": seed}))
    output = directory / f"{model}_{seed}" / "training"
    inputs = ["--preprocessing", directory / "preprocessing.json"]
    inputs += ["--encoded", directory / "encoded"]
    outputs = ["--output", output, "--hardware", output.with_name("hardware.json")]
    cost = stage("train", seeded, "--model", model, *inputs, *outputs)
    predictions = directory / f"{model}_{seed}.npy"
    script = Path(__file__).with_name("predict.py")
    run([sys.executable, str(script), str(directory), str(output), str(predictions)])
    metrics = score(directory, predictions, TABLES[name])
    return {"set": name, "model": model, "seed": seed, **metrics, **cost}


def train_peer(
    directory: Path, python: Path, name: str, table: Table, peer: str, seed: int
) -> dict[str, Any]:
    """Trains a peer on the same rows; returns its entry in models.json."""
    predictions = directory / f"{peer}_{seed}.npy"
    script = Path(__file__).with_name("peers.py")
    positional = [directory, table.label, table.task, peer, seed, predictions]
    cost = run([str(part) for part in (python, script, *positional)])
    metrics = score(directory, predictions, table)
    return {"set": name, "model": peer, "seed": seed, **metrics, **cost}


def score(directory: Path, path: Path, table: Table) -> dict[str, float]:
    """Returns the metrics of predictions for the test rows; of a regression in the table's unit."""
    from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

    label = pd.read_csv(directory / "test.csv")[table.label]
    labels = label if table.task == "regression" else label == sorted(label.unique())[1]
    predictions = np.load(path).astype(np.float64)
    if len(predictions) != len(labels):
        raise SystemExit(f"{path}: expected {len(labels)} predictions, found {len(predictions)}.")
    if table.task == "regression":
        return {"rmse": float(root_mean_squared_error(labels, predictions)) / table.unit}
    return {
        "auc": float(roc_auc_score(labels, predictions)),
        "accuracy": float(np.mean((predictions >= 0.5) == labels)),
        "log_loss": float(log_loss(labels, predictions)),
    }


def keep(entry: dict[str, Any]) -> None:
    """Adds an entry to models.json, in place of an older one of the same name."""
    key = ("set", "model", "seed")
    entries = json.loads(RESULT.read_text()) if RESULT.exists() else []
    kept = [x for x in entries if any(x[k] != entry[k] for k in key)] + [entry]
    kept.sort(key=lambda x: (list(TABLES).index(x["set"]), x["model"], x["seed"]))
    lines = ",\n".join(json.dumps(x) for x in kept)
    RESULT.write_text(f"[\n{lines}\n]\n")
    print(entry, flush=True)


if __name__ == "__main__":
    main()
