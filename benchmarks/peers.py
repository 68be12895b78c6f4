"""Trains LightGBM, XGBoost or CatBoost on the rows that benchmarks/models.py prepared.

    python peers.py DIRECTORY LABEL TASK PEER SEED PREDICTIONS

Uses library defaults, one thread, and the training rows, with text columns as categories.
`lightgbm_tuned` has a lower learning rate, stops early on the validation rows, and is the best of
three sizes there. Writes the predictions for the test rows as .npy.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TUNED: list[dict[str, Any]] = [
    {"num_leaves": 15, "min_child_samples": 20},
    {"num_leaves": 31, "min_child_samples": 20, "colsample_bytree": 0.8},
    {"num_leaves": 63, "min_child_samples": 50, "colsample_bytree": 0.6},
]


def main() -> None:
    """Reads the rows of DIRECTORY; writes PREDICTIONS."""
    directory, label, task, peer, seed, predictions = sys.argv[1:]
    splits = [
        pd.read_csv(Path(directory) / f"{split}.csv", na_values=["?", " "])
        for split in ("train", "validation", "test")
    ]
    x, y = [split.drop(columns=label) for split in splits], [split[label] for split in splits]
    if task == "binary":
        positive = sorted(y[0].unique())[1]
        y = [(part == positive).astype(int) for part in y]
    text = [name for name in x[0] if not pd.api.types.is_numeric_dtype(x[0][name])]
    for name in text:
        # Categories of the training rows; others count as missing.
        categories = pd.CategoricalDtype(sorted(x[0][name].dropna().unique()))
        x = [part.assign(**{name: part[name].astype(categories)}) for part in x]
    model = globals()[f"train_{peer}"](task == "binary", int(seed), x, y, text)
    test = for_catboost(x[2], text) if peer == "catboost" else x[2]
    predicted = model.predict_proba(test)[:, 1] if task == "binary" else model.predict(test)
    np.save(predictions, predicted)


def train_lightgbm(binary: bool, seed: int, x: Any, y: Any, text: list[str]) -> Any:
    """Trains LightGBM at its defaults."""
    import lightgbm

    kind = lightgbm.LGBMClassifier if binary else lightgbm.LGBMRegressor
    return kind(n_jobs=1, random_state=seed, verbose=-1).fit(x[0], y[0])


def train_lightgbm_tuned(binary: bool, seed: int, x: Any, y: Any, text: list[str]) -> Any:
    """Trains three LightGBM models that stop early, and takes the best."""
    import lightgbm

    kind = lightgbm.LGBMClassifier if binary else lightgbm.LGBMRegressor
    common = {"n_estimators": 3000, "learning_rate": 0.05, "n_jobs": 1, "random_state": seed}
    stop = lightgbm.early_stopping(50, verbose=False)
    models = [
        kind(**common, **settings, verbose=-1).fit(
            x[0], y[0], eval_set=[(x[1], y[1])], callbacks=[stop]
        )
        for settings in TUNED
    ]
    return min(models, key=lambda model: next(iter(model.best_score_["valid_0"].values())))


def train_xgboost(binary: bool, seed: int, x: Any, y: Any, text: list[str]) -> Any:
    """Trains XGBoost at its defaults."""
    import xgboost

    kind = xgboost.XGBClassifier if binary else xgboost.XGBRegressor
    return kind(n_jobs=1, random_state=seed, enable_categorical=True).fit(x[0], y[0])


def train_catboost(binary: bool, seed: int, x: Any, y: Any, text: list[str]) -> Any:
    """Trains CatBoost at its defaults."""
    import catboost

    kind = catboost.CatBoostClassifier if binary else catboost.CatBoostRegressor
    settings = {"thread_count": 1, "random_seed": seed, "verbose": 0, "allow_writing_files": False}
    return kind(**settings, cat_features=text).fit(for_catboost(x[0], text), y[0])


def for_catboost(x: pd.DataFrame, text: list[str]) -> pd.DataFrame:
    """Returns the rows with missing categories as text, since CatBoost rejects missing ones."""
    return x.assign(**{name: x[name].astype(object).where(x[name].notna(), "") for name in text})


if __name__ == "__main__":
    main()
