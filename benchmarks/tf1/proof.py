"""Trains canned Estimators on Adult with TensorFlow 1.15, adopts them, and compares row by row.

    python benchmarks/tf1/proof.py [--data ../shared/data/adult] [--python37 PATH]

Trains a LinearClassifier, a DNNClassifier, a DNNLinearCombinedClassifier and a
BoostedTreesClassifier (benchmarks/tf1/train.py, by a Python 3.7 with TensorFlow 1.15: --python37,
the variable PYTHON37, or python3.7 on the path), adopts each, and compares the logits and buckets
of all 16,281 test rows; then the wide & deep goes through the whole workflow, down to TF Lite,
TF.js and the certificate. Takes about five minutes on 2 cores. Writes benchmarks/tf1/proof.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
OUT = HERE.parent / "out" / "tf1"
RESULT = HERE / "proof.json"

VOCABULARIES = {
    "workclass": ["Private", "Self-emp-not-inc", "Local-gov", "State-gov", "Self-emp-inc"],
    "marital-status": ["Married-civ-spouse", "Never-married", "Divorced", "Separated", "Widowed"],
    "relationship": [
        "Husband",
        "Not-in-family",
        "Own-child",
        "Unmarried",
        "Wife",
        "Other-relative",
    ],
    "sex": ["Male", "Female"],
}
NUMBERS = {
    "age": (38.5, 0.0625),
    "education-num": (10.0, 0.375),
    "capital-gain": (0.0, 0.00001),
    "hours-per-week": (40.0, 0.0625),
}
AGES = [18, 25, 30, 35, 40, 45, 50, 55, 60, 65]
COMPAT = {"kind": "crossed", "compat": "tf1_dense"}
CATEGORICAL: dict[str, Any] = {
    "age_bucket": {"kind": "bucketized", "column": "age", "boundaries": AGES},
    **{name: {"kind": "vocabulary", "values": values} for name, values in VOCABULARIES.items()},
    "occupation": {"kind": "hashed", "buckets": 100},
    "native-country": {"kind": "hashed", "buckets": 50},
    "education_x_occupation": {**COMPAT, "keys": ["education", "occupation"], "buckets": 500},
    "age_x_education": {**COMPAT, "keys": ["age_bucket", "education"], "buckets": 200},
}
DIMENSIONS = {
    "occupation": 8,
    "native-country": 8,
    "education_x_occupation": 8,
    "age_x_education": 4,
}
EMBEDDINGS = {
    f"{name} embedding": {"kind": "embedding", "of": name, "dimension": dimension}
    for name, dimension in DIMENSIONS.items()
}
FEATURES = {
    **{
        name: {"kind": "numeric", "normalizer": "none", "center": c, "scale": s, "default": 0}
        for name, (c, s) in NUMBERS.items()
    },
    **CATEGORICAL,
    **EMBEDDINGS,
}
DEEP = [*NUMBERS, "age_bucket", *VOCABULARIES, *EMBEDDINGS]
HIDDEN = {"hidden_units": [64, 32], "dropout": 0}
MODELS: dict[str, dict[str, Any]] = {
    "linear": {"kind": "linear"},
    "dnn": {"kind": "dnn", **HIDDEN},
    "wide_deep": {"kind": "wide_deep", **HIDDEN},
    "boosted_trees": {"kind": "boosted_trees"},
}
COLUMNS: dict[str, dict[str, Any]] = {
    "linear": {},
    "dnn": {"columns": DEEP},
    "wide_deep": {"columns": list(CATEGORICAL), "deep": DEEP},
    "boosted_trees": {"columns": [*list(NUMBERS)[1:], "age_bucket", *VOCABULARIES]},
}


def main() -> None:
    """Trains, adopts, compares; exits with status 1 if a logit or bucket differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/adult"))
    parser.add_argument("--python37", default=os.environ.get("PYTHON37", "python3.7"))
    arguments = parser.parse_args()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    if shutil.which(arguments.python37) is None:
        sys.exit(
            f"error: expected a Python 3.7 with TensorFlow 1.15, found no {arguments.python37}"
        )
    train = [arguments.python37, str(HERE / "train.py"), str(arguments.data), str(OUT)]
    subprocess.run(train, check=True)
    snakemake(write_job(arguments.data, list(MODELS)), *(f"models/{m}/training" for m in MODELS))
    snakemake(write_job(arguments.data, ["wide_deep"]), "parity.json")
    result = compare()
    certificate = json.loads(Path("results/adult_tf1/parity.json").read_text(encoding="utf-8"))
    result["certificate"] = {
        "model": certificate["model"],
        "rows": certificate["rows"],
        **{f"{x['runtime']} {x['variant']}": x["max_difference"] for x in certificate["runtimes"]},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))
    passed = all(x["largest_difference"] <= 1e-5 for x in result["logits"].values())
    sys.exit(0 if passed and not any(result["rows_with_another_bucket"].values()) else 1)


def write_job(data: Path, models: list[str]) -> Path:
    """Writes a job that adopts some of the Estimators."""
    job = {
        "name": "adult_tf1",
        "data": {
            "files": {"train": str(data / "train.csv.gz"), "test": str(data / "test.csv")},
            "label": "income",
        },
        "features": FEATURES,
        "models": {name: {**MODELS[name], "adopt": adopt(name)} for name in models},
        "parity": {"rows": 20000},
    }
    path = OUT / f"{'_'.join(models)}.yaml"
    path.write_text(yaml.safe_dump(job, sort_keys=False), encoding="utf-8")
    return path


def adopt(name: str) -> dict[str, Any]:
    """Returns the settings to adopt an Estimator, whose export is the reference if it runs."""
    settings: dict[str, Any] = {"checkpoint": str(OUT / name / "model.ckpt"), **COLUMNS[name]}
    if name != "boosted_trees":
        settings["reference"] = {
            "saved_model": str(OUT / name / "export"),
            "signature": "predict",
            "missing": dict.fromkeys(NUMBERS, 0),
        }
    return settings


def snakemake(job: Path, *targets: str) -> None:
    """Runs the workflow for some of the job's results."""
    paths = [f"results/adult_tf1/{target}" for target in targets]
    options = ["--cores", "2", "--quiet", "all", "--configfile", str(job)]
    subprocess.run(["snakemake", *paths, *options], check=True)


def compare() -> dict[str, Any]:
    """Compares logits and buckets of the test rows with those of TensorFlow 1.15."""
    from millrace import models
    from millrace.features import encoded
    from millrace.features.raw_row import read_raw
    from millrace.tf1.proof import has_unseen_text
    from millrace.tfrecord.examples import shard_paths

    import numpy as np

    oracle = json.loads((OUT / "oracle.json").read_text(encoding="utf-8"))
    results = Path("results/adult_tf1")
    logits = {}
    for model, said in oracle["logits"].items():
        predictor = models.load(
            results / "preprocessing.json", results / "models" / model / "training"
        )
        learned = predictor.preprocessing
        test = encoded.read(results / "encoded" / "test.tfrecord", learned.spec)
        assert test.labels.tolist() == oracle["label"], "the rows are in another order"
        raw = read_raw(shard_paths(results / "examples", "test"), learned.raw)
        seen = ~has_unseen_text(MODELS[model], learned, raw)
        found = predictor.model.predict(test.inputs, batch_size=8192, verbose=0)[:, 0]
        difference = np.abs(found - np.array(said, np.float32))
        logits[model] = {
            "largest_difference": float(difference[seen].max()),
            "rows": int(seen.sum()),
            "rows_with_unseen_text": int((~seen).sum()),
            "largest_difference_there": float(difference[~seen].max(initial=0)),
        }
    buckets = {}
    places = {entry.feature: place for place, entry in enumerate(learned.spec.ids)}
    for feature, expected in oracle["ids"].items():
        ids = test.inputs["ids"][seen, places[feature]]
        # Ids beyond the buckets are for values to which tf.feature_column gives no id.
        beyond = learned.spec.ids[places[feature]].cardinality - 2 + (feature == "age_bucket")
        buckets[feature] = int((np.where(ids < beyond, ids, -1) != np.array(expected)[seen]).sum())
    return {"logits": logits, "rows_with_another_bucket": buckets}


if __name__ == "__main__":
    main()
