"""Splits of tables with few distinct rows, compared with scikit-learn."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.helpers.ingest_jobs import SPLITS, Job
from tests.real_data.conftest import CASES

FEATURES = ["cabin", "sex", "age"]


@pytest.mark.skipif(not CASES.is_dir(), reason=f"the cases are not at {CASES}")
@pytest.mark.parametrize("seed", range(5))
def test_a_survey_of_31_distinct_rows_is_divided_as_any_table(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(CASES / "01-equal-rows-split" / "survey.csv", "survey.csv")
    source = pd.read_csv("survey.csv")
    job = Job(monkeypatch)
    assert job.run({"survey.csv": None}, label="rescued", seed=seed) == 0
    tables = {split: job.table(split) for split in SPLITS}
    for split, share in (("validation", 0.15), ("test", 0.15)):
        assert len(tables[split]) == pytest.approx(share * len(source), abs=3)
        rescued = (tables[split]["rescued"] == "yes").mean()
        assert rescued == pytest.approx((source["rescued"] == "yes").mean(), abs=0.002)
    model = make_pipeline(OneHotEncoder(), LogisticRegression())
    model.fit(tables["train"][FEATURES], tables["train"]["rescued"])
    scores = model.predict_proba(tables["test"][FEATURES])[:, 1]
    found = roc_auc_score(tables["test"]["rescued"] == "yes", scores)
    truth = source["rescued"] == "yes"
    crossed = cross_val_predict(model, source[FEATURES], truth, method="predict_proba")[:, 1]
    positives = int((tables["test"]["rescued"] == "yes").sum())
    spread = np.sqrt(1 / (12 * positives) + 1 / (12 * (len(tables["test"]) - positives)))
    assert found == pytest.approx(roc_auc_score(truth, crossed), abs=2.5 * spread)
