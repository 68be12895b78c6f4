"""A made job with what its monitoring reads."""

from pathlib import Path

import pandas as pd
from sklearn.metrics import roc_auc_score

from millrace import config
from millrace.artifacts.account import Account
from millrace.artifacts.diagnostics import Diagnostics, Slice
from millrace.artifacts.metrics import Interval
from millrace.artifacts.monitoring import Monitoring
from millrace.serving import monitoring
from tests.conftest import MadeJob
from tests.helpers.artifacts import metrics_of
from tests.helpers.scorings import Scored

METRICS = ("pr_auc", "log_loss", "accuracy", "brier", "f1", "precision", "recall")


class Monitored:
    """A copy of what a made job's monitoring reads."""

    def __init__(self, made: MadeJob, folder: Path) -> None:
        scored = Scored(made, folder)
        self.folder, self.results = folder, scored.results
        (self.results.folder / "statistics.json").write_bytes(
            (made.results / "statistics.json").read_bytes()
        )
        predicted = scored.run(made.results / "test.csv")
        labels = made.tables["test"]["label"]
        run = self.results.run("dnn")
        run.predictions.parent.mkdir(parents=True)
        predicted[["prediction"]].assign(label=labels).to_parquet(run.predictions)
        auc = roc_auc_score(labels == "yes", predicted["prediction"])
        self.promised = Interval(auc, auc - 0.02, auc + 0.02)
        others = dict.fromkeys((*METRICS, "calibration_error"), self.promised)
        metrics_of("dnn", {"auc": self.promised, **others}).save(run.metrics)
        slices = [Slice("city", "Zürich", 90, {"auc": self.promised})]
        Diagnostics(slices=slices).save(run.diagnostics)
        Account(2000, {}, 2, 0, 0, 0, [], {}, {}, []).save(self.results.account)
        self.config = folder / "config.yaml"
        self.config.write_text(made.config.read_text() + "evaluation: {slices: [city]}\n")

    def run(self, table: pd.DataFrame, **monitor: object) -> Monitoring:
        path = self.folder / "new.csv"
        table.to_csv(path, index=False, na_rep="NA")
        job = config.load(self.config)
        job = job.changed(monitor=job.monitor.changed(**monitor))
        return monitoring.monitor(job, self.results, [str(path)])
