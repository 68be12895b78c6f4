"""Which model wins, by how much, and whether it is good enough to be exported."""

from typing import Any

from millrace import metrics
from millrace.errors import MillraceError


def rank(models: list[dict[str, Any]], setting: str) -> tuple[str, list[dict[str, Any]]]:
    """Returns the selection metric and the models, best first; equally good ones by name.

    Args:
        models: what evaluate wrote to each metrics.json.
        setting: `selection.metric` of the config.

    Raises:
        MillraceError: the models were not evaluated on one task and the same number of rows, the
            metric is not one of the task's, or it is not defined for a model.
    """
    for field in ("task", "rows"):
        found = {model["model"]: model[field] for model in models}
        if len(set(found.values())) > 1:
            raise MillraceError(
                f"metrics: expected the same {field} for all models, found {found}.",
                note="evaluate the models again, on the same examples.",
            )
    metric = metrics.selection_metric(setting, models[0]["task"])
    undefined = [model["model"] for model in models if model["metrics"][metric] is None]
    if undefined:
        raise MillraceError(
            f"selection.metric: expected {metric} to be defined, found no value for {undefined}.",
            note="the test examples may hold one class only; give data.split.test more rows.",
        )
    sign = 1 if metric in metrics.LOWER_IS_BETTER else -1
    ranked = sorted(models, key=lambda m: (sign * m["metrics"][metric]["value"], m["model"]))
    return metric, ranked


def leaderboard(ranked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a row for each ranked model: rank, model, kind, metrics with intervals, parameters.

    A metric that is not defined is None.
    """
    rows = []
    for place, model in enumerate(ranked, start=1):
        row = {"rank": place, "model": model["model"], "kind": model["kind"]}
        for name, measured in model["metrics"].items():
            measured = measured or dict.fromkeys(("value", "low", "high"))
            row[name] = measured["value"]
            row[f"{name}_low"], row[f"{name}_high"] = measured["low"], measured["high"]
        row["parameters"] = model["training"]["parameters"]
        row["epochs"] = model["training"]["epochs"]
        rows.append(row)
    return rows


def champion(metric: str, ranked: list[dict[str, Any]], gate: float | None) -> dict[str, Any]:
    """Returns the best model with its lead over the next and the checks it has to pass.

    `margin` is by how much the champion is better, positive whatever the metric's direction.
    """
    best = ranked[0]
    measured = best["metrics"][metric]
    runner_up = ranked[1] if len(ranked) > 1 else None
    second = runner_up["metrics"][metric]["value"] if runner_up else None
    margin = None if second is None else metrics.improvement(metric, measured["value"], second)
    checks = _checks(metric, measured["value"], best["baseline"][metric], gate)
    return {
        "model": best["model"],
        "kind": best["kind"],
        "metric": metric,
        **measured,
        "runner_up": runner_up and {"model": runner_up["model"], "value": second},
        "margin": margin,
        "gate": {"passed": all(check["passed"] for check in checks), "checks": checks},
    }


def _checks(metric: str, value: float, baseline: float, gate: float | None) -> list[dict[str, Any]]:
    checks = [
        {
            "check": f"{metric} better than that of a model that always predicts the same",
            "expected": baseline,
            "found": value,
            "passed": metrics.improvement(metric, value, baseline) > 0,
        }
    ]
    if gate is not None:
        checks.append(
            {
                "check": f"{metric} not worse than selection.gate",
                "expected": gate,
                "found": value,
                "passed": metrics.improvement(metric, value, gate) >= 0,
            }
        )
    return checks


def require_gate(winner: dict[str, Any]) -> None:
    """Raises MillraceError, with the figures, when the champion fails a check of its gate."""
    for check in winner["gate"]["checks"]:
        if not check["passed"]:
            raise MillraceError(
                f"champion {winner['model']!r}: expected {check['check']}, "
                f"{check['expected']:.6g}; found {check['found']:.6g}.",
                note="the leaderboard has all figures; look at the features, or at the anomalies "
                "that analyze found.",
            )
