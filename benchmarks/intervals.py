"""Measures how often the 95 % interval of the AUC covers the true AUC, over synthetic tables.

    python benchmarks/intervals.py [--tables 200]

Half of the tables have continuous columns, half three categorical ones with at most 31 distinct
rows; they vary in size, share of positives and strength of the signal. ingest's split divides each,
a logistic regression learns the training rows, and its true AUC is that on 200,000 rows drawn from
the same distribution. Takes about two minutes. Writes benchmarks/intervals.json.
"""

import argparse
import json
from pathlib import Path

from millrace.artifacts.metrics import Interval
from millrace.evaluation import bootstrap, metrics
from millrace.ingestion import splits

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

RESULT = Path(__file__).with_suffix(".json")
POPULATION = 200_000
SAMPLES = 200


class Table:
    """A distribution of labelled rows, either with `few` distinct rows or continuous."""

    def __init__(self, seed: int, few: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.few = few
        self.rows = int(self.rng.choice([1000, 3000, 8000]))
        self._shift = self.rng.choice([-3.0, -1.0, 0.0])
        self._weights = self.rng.normal(size=8 if few else 3) * self.rng.choice([0.3, 0.8])

    def draw(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns features, float64 [rows, columns], and labels, 0 or 1, int64 [rows]."""
        if self.few:
            levels = [self.rng.choice(n, rows, p=p) for n, p in self._levels()]
            features = np.concatenate(
                [np.eye(n)[x] for x, n in zip(levels, (4, 2, 2), strict=True)], 1
            )
        else:
            features = self.rng.normal(size=(rows, 3))
        odds = np.exp(-(features @ self._weights + self._shift))
        return features, (self.rng.random(rows) < 1 / (1 + odds)).astype(np.int64)

    @staticmethod
    def _levels() -> list[tuple[int, list[float]]]:
        return [(4, [0.4, 0.3, 0.2, 0.1]), (2, [0.75, 0.25]), (2, [0.95, 0.05])]


def covered(seed: int, few: bool) -> tuple[Interval, float]:
    """Returns the interval of one table's AUC and the true AUC."""
    table = Table(seed, few)
    features, labels = table.draw(table.rows)
    draw = splits.Draw(np.uint64(seed), splits.Shares(0.15, 0.15), 1024)
    found = draw.splits(labels.astype(np.uint64) + np.uint64(1))
    train, test = found == splits.TRAIN, found == splits.TEST
    model = LogisticRegression().fit(features[train], labels[train])
    measure = metrics.measure("binary", labels[test], model.predict_proba(features[test])[:, 1])
    auc = bootstrap.intervals(measure, int(test.sum()), SAMPLES, seed)["auc"]
    assert auc is not None
    population, truth = table.draw(POPULATION)
    return auc, float(roc_auc_score(truth, model.predict_proba(population)[:, 1]))


def coverage(tables: int, few: bool) -> float:
    """Returns the share of tables whose interval covers the true AUC."""
    found = [covered(seed, few) for seed in range(tables)]
    return float(np.mean([_holds(interval, true) for interval, true in found]))


def _holds(interval: Interval, true: float) -> bool:
    assert interval.low is not None, "the table is large enough for an interval"
    assert interval.high is not None
    return interval.low <= true <= interval.high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=200)
    tables = parser.parse_args().tables
    found = {
        "tables": tables,
        "continuous": coverage(tables // 2, few=False),
        "few distinct rows": coverage(tables - tables // 2, few=True),
    }
    print(json.dumps(found, indent=1))
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
