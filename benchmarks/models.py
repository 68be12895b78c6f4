"""Compares every model with LightGBM, XGBoost and CatBoost, at their defaults, on the same rows.

    python benchmarks/models.py --peers path/to/python [--data ../shared/data] [--seeds 3]
        [--sets adult ames …] [--models tabm lightgbm …] [--again]

`--peers` names a Python with envs/benchmarks.lock; without it they are left out. Nothing is tuned
by data set: features are `auto`, and each contestant has the same training, validation, test rows
(the split files are next to the data; the flights come with envs/data.lock). Every training is a
process of its own; its CPU seconds and peak memory are those of the whole process, including
imports and, for a peer, the predictions for the test rows. The peers use one thread, our models
TensorFlow's default. Adds only missing results to benchmarks/models.json, and can be stopped
at any time; the tables in docs/ are made from it.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from millrace import errors
from tables import TABLES, Table

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "out" / "models"
RESULT = Path(__file__).with_suffix(".json")
MODELS = ["linear", "dnn", "wide_deep", "dcn", "tabm", "boosted_trees"]
PEERS = ["lightgbm", "lightgbm_tuned", "xgboost", "catboost"]
SPLITS = ("train", "validation", "test")
# The number of test rows with the largest errors that `rmse_but_far` leaves out.
FAR = 2
# Linux counts its parent's memory towards a new process, so a small process starts it.
MEASURE = """
import os, sys
_, status, used = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:]), 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=open(sys.argv[1], "w"))
sys.exit(status != 0)
"""


def main() -> None:
    """Runs the requested trainings and adds their results to models.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--models", nargs="+", default=[*MODELS, *PEERS], choices=[*MODELS, *PEERS])
    parser.add_argument("--again", action="store_true", help="also what is in models.json")
    arguments = parser.parse_args()

    done = set() if arguments.again else {key(entry) for entry in results()}
    for name in arguments.sets:
        directory, config = prepare(name, TABLES[name], arguments.data)
        for seed in range(arguments.seeds):
            wanted = [x for x in arguments.models if (name, x, seed) not in done]
            train_ours(directory, config, seed, [x for x in wanted if x in MODELS])
            if arguments.peers:
                train_peers(directory, arguments.peers, seed, [x for x in wanted if x in PEERS])


def prepare(name: str, table: Table, data: Path) -> tuple[Path, Path]:
    """Writes the rows of each split and runs the stages before train, once.

    Returns the folder with the rows and results/, and the config.
    """
    directory = OUT / name
    config = directory / "config.yaml"
    if not config.exists():
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
    snakemake = [sys.executable, "-m", "snakemake", f"results/{name}/encoded", "--cores", "2"]
    workflow = ["--snakefile", ROOT / "Snakefile", "--directory", directory]
    run([*snakemake, *workflow, "--configfile", config, "--quiet", "all"])
    return directory, config


def run(command: list[object]) -> dict[str, float]:
    """Runs a command; returns its CPU seconds and peak memory."""
    words = [str(word) for word in command]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with NamedTemporaryFile("r") as cost:
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-c", MEASURE, cost.name, *words],
            cwd=ROOT,
            env=os.environ | {"PATH": path},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"failed: {' '.join(words)}")
        seconds, kilobytes = cost.read().split()
    return {"cpu_seconds": round(float(seconds), 1), "peak_mb": int(kilobytes) // 1024}


def train_ours(directory: Path, config: Path, seed: int, models: list[str]) -> None:
    """Trains some of our models with train.py, then has all of them predict the test rows."""
    seeded = directory / f"config_{seed}.yaml"
    seeded.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "seed": seed}))
    made = directory / "results" / directory.name
    costs, outputs = {}, {}
    for model in models:
        outputs[model] = directory / f"{model}_{seed}"
        costs[model] = run(
            [
                *(sys.executable, ROOT / "scripts" / "train.py", "--config", seeded),
                *("--preprocessing", made / "preprocessing.json", "--encoded", made / "encoded"),
                *("--model", model, "--models", directory, "--output", outputs[model] / "training"),
                *("--hardware", outputs[model] / "hardware.json"),
            ]
        )
    if models:
        run([sys.executable, Path(__file__).with_name("predict.py"), made, *outputs.values()])
    for model in models:
        keep(directory, model, seed, outputs[model] / "predictions.npy", costs[model])


def train_peers(directory: Path, python: Path, seed: int, peers: list[str]) -> None:
    """Trains peers on the same rows; each predicts the test rows in its process."""
    table = TABLES[directory.name]
    for peer in peers:
        predictions = directory / f"{peer}_{seed}.npy"
        script = Path(__file__).with_name("peers.py")
        cost = run([python, script, directory, table.label, table.task, peer, seed, predictions])
        keep(directory, peer, seed, predictions, cost)


def score(directory: Path, path: Path, table: Table) -> dict[str, float]:
    """Returns the metrics of predictions for the test rows, regressions in the table's unit."""
    from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

    label = pd.read_csv(directory / "test.csv")[table.label]
    labels = label if table.task == "regression" else label == sorted(label.unique())[1]
    predictions = np.load(path).astype(np.float64)
    if len(predictions) != len(labels):
        raise SystemExit(f"{path}: expected {len(labels)} predictions, found {len(predictions)}.")
    if table.task == "regression":
        # A single outlier among hundreds of rows can dominate the root mean square.
        near = np.argsort(np.abs(labels - predictions))[:-FAR]
        errors = {
            "rmse": root_mean_squared_error(labels, predictions),
            "rmse_but_far": root_mean_squared_error(labels.iloc[near], predictions[near]),
        }
        return {name: float(error) / table.unit for name, error in errors.items()}
    return {
        "auc": float(roc_auc_score(labels, predictions)),
        "accuracy": float(np.mean((predictions >= 0.5) == labels)),
        "log_loss": float(log_loss(labels, predictions)),
    }


def key(entry: dict[str, Any]) -> tuple[str, str, int]:
    """Returns the key of an entry in models.json."""
    return entry["set"], entry["model"], entry["seed"]


def results() -> list[dict[str, Any]]:
    """Returns the entries in models.json."""
    return json.loads(RESULT.read_text()) if RESULT.exists() else []


def keep(directory: Path, model: str, seed: int, predictions: Path, cost: dict[str, float]) -> None:
    """Adds an entry to models.json, and removes an older one with the same key."""
    metrics = score(directory, predictions, TABLES[directory.name])
    entry = {"set": directory.name, "model": model, "seed": seed, **metrics, **cost}
    kept = [x for x in results() if key(x) != key(entry)] + [entry]
    kept.sort(key=lambda x: (list(TABLES).index(x["set"]), x["model"], x["seed"]))
    lines = ",\n".join(json.dumps(x) for x in kept)
    RESULT.write_text(f"[\n{lines}\n]\n")
    print(entry, flush=True)


if __name__ == "__main__":
    errors.exit_with_status(main)
