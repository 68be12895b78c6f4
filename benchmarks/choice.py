"""Measures how much better a chosen model looks on validation rows than on new rows.

    python benchmarks/choice.py [--data ../shared/data] [--repeats 6]

Each table is divided into five folds. Each fold in turn is for validation, the next for the test;
boosted trees with 16 random settings learn from the other three. As in a job with a search, the
validation rows stop each training and choose the best. Only trees, because they train in a second;
`boosted_trees` learns with YDF. Every fold is validation and test once, so over all five folds
the two differ only by the choice and the stopping; each repeat divides the rows anew.
Writes benchmarks/choice.json and the table in docs/models.md. Takes four CPU minutes.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pages
from millrace.config import runs
from millrace.evaluation import metrics

import numpy as np
import pandas as pd
import ydf

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
RESULT = Path(__file__).with_suffix(".json")
# The label, its positive value, and columns that models must not use.
TABLES = {
    "german_credit": ("class", 2, []),
    "telco_churn": ("Churn", "Yes", ["customerID"]),
}
FOLDS = 5
CHOSEN_FROM = (1, 4, 16)


def main() -> None:
    """Trains all models, and writes the results and the table in the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--repeats", type=int, default=6)
    arguments = parser.parse_args()
    ydf.verbose(0)
    found = []
    for name, (label, positive, dropped) in TABLES.items():
        table = pd.read_csv(arguments.data / name / "data.csv").drop(columns=dropped)
        table["label"] = (table.pop(label) == positive).astype(int)
        measured = np.array(list(divisions(table, arguments.repeats)))
        found += [summary(name, len(table), measured, of) for of in CHOSEN_FROM]
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    pages.fill(PAGE, "choice.py", tables())


def divisions(table: pd.DataFrame, repeats: int) -> Iterator[np.ndarray]:
    """Yields, for each division of the rows, every model's AUC on validation and test, [16, 2]."""
    labels = table["label"].to_numpy(np.float32)
    for repeat in range(repeats):
        folds = [table.iloc[rows] for rows in runs.fold_rows(labels, FOLDS, seed=repeat)]
        for fold in range(FOLDS):
            validation, test, *train = folds[fold:] + folds[:fold]
            yield np.array(list(aucs(pd.concat(train), validation, test, repeat)))


def aucs(
    train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame, repeat: int
) -> Iterator[list[float]]:
    """Yields the AUC on validation and test of each of the drawn settings."""
    rng = np.random.default_rng(repeat)
    for _ in range(max(CHOSEN_FROM)):
        learner = ydf.GradientBoostedTreesLearner(
            label="label",
            shrinkage=float(rng.choice([0.03, 0.05, 0.1])),
            max_depth=int(rng.integers(3, 8)),
            min_examples=int(rng.choice([5, 10, 20, 40])),
            num_candidate_attributes_ratio=float(rng.uniform(0.3, 1)),
            use_hessian_gain=True,
            l2_regularization=1.0,
            num_threads=1,
        )
        model = learner.train(train, valid=validation)
        yield [
            metrics.evaluate("binary", part["label"].to_numpy(), model.predict(part))["auc"]
            for part in (validation, test)
        ]


def summary(name: str, rows: int, measured: np.ndarray, of: int) -> dict[str, str | int | float]:
    """Returns the means over all divisions if the best of `of` models is chosen.

    The standard error is over the repeats.

    Args:
        name: the table.
        rows: its number of rows.
        measured: the AUCs, [divisions, 16, 2].
        of: the number of models to choose from.
    """
    # Every model is in exactly one choice, so that the settings matter less.
    choices = measured.reshape(len(measured), -1, of, 2)
    best = choices[..., 0].argmax(axis=2)[..., None, None]
    chosen = np.take_along_axis(choices, best, axis=2).mean(axis=(1, 2))
    flattered = (chosen[:, 0] - chosen[:, 1]).reshape(-1, FOLDS).mean(axis=1)
    return {
        "table": name,
        "rows": rows,
        "validation_rows": rows // FOLDS,
        "models": of,
        "repeats": len(flattered),
        "validation": float(chosen[:, 0].mean()),
        "test": float(chosen[:, 1].mean()),
        "flattered": float(flattered.mean()),
        "standard_error": float(flattered.std(ddof=1) / len(flattered) ** 0.5),
    }


def tables() -> str:
    """Returns the table, as Markdown."""
    lines = [
        "| table | validation rows | best of | AUC on validation | on new rows | too high by |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {x['table']} | {x['validation_rows']:,} | {x['models']} | {x['validation']:.4f} | "
        f"{x['test']:.4f} | {x['flattered']:.4f} ± {x['standard_error']:.4f} |"
        for x in json.loads(RESULT.read_text(encoding="utf-8"))
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
