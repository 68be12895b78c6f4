"""One job that uses every kind of feature column, from the table to one certificate."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from millrace.config.features import FEATURE_KINDS
from tests.helpers.saved_models import save_numbers
from tests.helpers.synthetic_jobs import CONFIG_FILE, ROWS, make_folder, snakemake

WORDS = ["Très", "bon,", "état", "3/4"]

CONFIG = """
name: made
data:
  files: table.csv
  label: label
  types: {code: string, opened: date, seen: timestamp}
features:
  plain: {kind: numeric, column: price, normalizer: none, center: 100, scale: 0.02}
  standard: {kind: numeric, column: price, normalizer: standard, default: 90}
  min_max: {kind: numeric, column: price, normalizer: min_max, missing_indicator: false}
  price: numeric
  log: {kind: numeric, column: price, normalizer: log}
  quantile: {kind: numeric, column: price, normalizer: quantile}
  bins: {kind: piecewise_linear, column: price, bins: 8, dimension: 4}
  waves: {kind: periodic, column: price, dimension: 4, frequencies: 6}
  price_band: {kind: bucketized, column: price, boundaries: [80, 100, 120]}
  price_quantile: {kind: bucketized, column: price, quantiles: 5}
  rooms: vocabulary
  room_ids: {kind: identity, column: rooms, buckets: 6}
  city: {kind: vocabulary, min_count: 5}
  city_given: {kind: vocabulary, column: city, values: [Aarhus, Zürich]}
  city_buckets: {kind: vocabulary, column: city, values: [Aarhus], num_oov_buckets: 3}
  city_or_other: {kind: vocabulary, column: city, values: [Aarhus, other], default_value: 1}
  city_listed: {kind: vocabulary, column: city, file: cities.txt}
  code: {kind: hashed, buckets: 50}
  tags: {kind: sequence, delimiter: "|", max_length: 3}
  remark: {kind: text, max_length: 4, min_count: 2}
  module: {kind: saved_model, column: price, path: modules/numbers}
  weighted_tags: {kind: weighted, of: tags, weight: area}
  weekday: {kind: date_part, column: opened, part: weekday}
  opened_year: {kind: date_part, column: opened, part: year}
  hour: {kind: date_part, column: seen, part: hour, timezone: America/New_York}
  time_of_day: {kind: cyclic, column: seen, period: day, timezone: Europe/Paris}
  time_of_year: {kind: cyclic, column: opened, period: year}
  age: {kind: elapsed, column: seen, since: "2020-01-01", normalizer: standard}
  city_by_rooms: {kind: crossed, keys: [city, rooms, price_band], buckets: 40}
  city_by_band: {kind: crossed, keys: [city, price_quantile], compat: tf1_dense, buckets: 30}
  shared: {kind: embedding, of: [city_given, city_listed], dimension: 3}
  codes: {kind: embedding, of: code, dimension: 5, combiner: sum}
  tag_embedding: {kind: embedding, of: weighted_tags, dimension: 4, combiner: sqrtn}
  city_counts: {kind: indicator, of: city}
models:
  small: {kind: dnn, hidden_units: [16]}
  trees: {kind: boosted_trees, trees: 20, learning_rate: 0.3}
  both: {kind: ensemble}
training: {epochs: 10, learning_rate: 0.01, calibration: auto}
evaluation: {bootstrap: 20}
parity: {rows: 200}
"""


def write_table(path: Path) -> None:
    """Returns a table whose label depends on a number, a category and the time of day."""
    rng = np.random.default_rng(3)
    seen = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(
        rng.integers(0, 3 * 365 * 86_400, ROWS), unit="s"
    )
    table = pd.DataFrame(
        {
            "price": rng.normal(100, 25, ROWS).round(2),
            "area": rng.uniform(0.5, 3, ROWS).round(3),
            # Nullable: otherwise pandas writes 3.0 if the column has missing values.
            "rooms": pd.array(rng.integers(0, 6, ROWS), "Int64"),
            "city": rng.choice(["Aarhus", "Zürich", "São Paulo", "東京, 日本"], ROWS),
            "code": [f"{number:05}" for number in rng.integers(0, 400, ROWS)],
            "tags": ["|".join(rng.choice([*"abcdef"], size)) for size in rng.integers(0, 6, ROWS)],
            "remark": [" ".join(words) for words in rng.choice(WORDS, (ROWS, 3))],
            "opened": seen.strftime("%Y-%m-%d"),
            "seen": seen.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    score = (table["price"] - 100) / 25 + (table["city"] == "Zürich") + np.cos(seen.hour / 4)
    for column in table.columns:
        table.loc[rng.random(ROWS) < 0.06, column] = None
    table["label"] = np.where(score + rng.normal(0, 0.5, ROWS) > 0.2, "yes", "no")
    table.to_csv(path, index=False)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_every_kind_in_one_certificate(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "job", "binary")
    write_table(folder / "table.csv")
    (folder / CONFIG_FILE).write_text(CONFIG, encoding="utf-8")
    (folder / "cities.txt").write_text("Zürich\n東京, 日本\n", encoding="utf-8")
    save_numbers(folder / "modules" / "numbers")
    snakemake(folder, "--until", "verify")
    results = folder / "results" / "made"

    kinds = {column["kind"] for column in read(results / "preprocessing.json")["columns"]}
    wrappers = {"embedding", "indicator"}
    assert kinds == {*FEATURE_KINDS, "crossed_tf1"} - wrappers
    features = yaml.safe_load(CONFIG)["features"].values()
    assert wrappers <= {x["kind"] for x in features if isinstance(x, dict)}

    told = read(results / "models" / "both" / "training" / "training.json")
    assert [x["run"] for x in told["weighing"]["members"]] == ["small", "trees"]
    assert sum(x["weight"] for x in told["weighing"]["members"]) == pytest.approx(1)
    assert told["calibration"]["rows"] == told["weighing"]["rows"] > 0

    certificate = read(results / "parity.json")
    assert certificate["passed"]
    full = [entry for entry in certificate["runtimes"] if not entry["reduced"]]
    assert {(entry["runtime"], entry["variant"]) for entry in full} == {
        ("saved_model", "serving_default"),
        ("saved_model", "serving_examples"),
        ("tflite", "float32"),
        ("tfjs", "cpu"),
        ("tfjs", "wasm"),
        ("onnx", "python"),
    }
    for entry in (*full, certificate["stored_rows"]):
        assert entry["finite"]
        assert entry["max_difference"] <= 5e-6


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
