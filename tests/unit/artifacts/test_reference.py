from pathlib import Path

from millrace.artifacts import reference
from millrace.results import ConvertedFolder, RawFolder, Results, RunFolder, TrainingFolder

ROOT = Path(__file__).parents[3]

# Their content depends on the kind of feature column.
OF_FEATURES = {Results.preprocessing.path}


def test_the_committed_page_is_the_current_one() -> None:
    """Update it with `make docs`."""
    assert (ROOT / reference.PAGE).read_text(encoding="utf-8") == reference.page()


def test_every_json_and_csv_file_of_the_results_is_described() -> None:
    folders = (RawFolder, Results, RunFolder, TrainingFolder, ConvertedFolder)
    paths = {entry.path for folder in folders for entry in folder.entries() if entry.meaning}
    made = {path for path in paths if path.endswith((".json", ".csv"))}
    assert made - OF_FEATURES <= set(reference.CLASSES)


def test_a_row_says_what_a_value_is() -> None:
    text = reference.page()
    assert "| `threshold` | number or null | The lowest probability" in text
    assert "| `columns` | map of [NumberStatistics](#numberstatistics) or" in text
    assert "| `unique` | boolean, optional | Whether a row that repeats" in text
    assert "| `values` | list of [string, integer] | [value, rows] by falling count" in text
