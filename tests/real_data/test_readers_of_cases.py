"""Unusual files from other projects, read completely or rejected, compared with pandas."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from millrace.errors import MillraceError
from millrace.ingestion import cells, compression, dialects, tables
from millrace.ingestion.blocks import Markers
from tests.helpers.configs import data_config
from tests.real_data.conftest import CASES

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the cases are not at {CASES}")
HOSTILE = CASES / "hostile"


def census(path: Path, **data: Any) -> tables.Census:
    table = tables.open_table(path, data_config(**data))
    return tables.census([table], Markers.of(["", "\\N"]))


def test_a_tsv_whose_quotes_are_text_keeps_all_its_rows() -> None:
    path = CASES / "05-unclosed-quotes-swallow-rows" / "films.tsv"
    expected = pd.read_csv(path, sep="\t", quoting=3, na_values=["\\N"], keep_default_na=False)
    found = census(path)
    assert found.rows == len(expected) == 4000
    for name, missing in expected.isna().sum().items():
        assert found[str(name)][cells.MISSING] == missing
    assert expected["startYear"].isna().sum() == 409


def test_every_part_of_a_compressed_file_counts() -> None:
    whole = (HOSTILE / "base.csv").read_bytes()
    for path in sorted((HOSTILE / "arc2").iterdir()):
        try:
            found = b"".join(dialects.chunks(path, dialects.detect(path), 1 << 16))
        except MillraceError:
            assert path.name.startswith(("cut", "junk", "two_damaged")), path.name
        else:
            assert path.name.startswith(("one.", "two."))
            assert found == whole


@pytest.mark.parametrize("name", ["enc.zip", "m9.zip", "patch.zip", "crc.zip", "empty.zip"])
def test_archives_that_cannot_be_read_are_refused(name: str) -> None:
    path = HOSTILE / "arc" / name
    with pytest.raises(MillraceError, match=name):
        list(compression.read(path, compression.container(path), 1 << 16))


def test_advice_that_leads_on() -> None:
    folder = CASES / "18-advice-that-misleads"
    with pytest.raises(MillraceError, match="skip_lines: 1"):
        census(folder / "duphead3.csv")
    names = ["A1", "A2", "ref", "B"]
    with pytest.raises(MillraceError, match=r"set data\.skip_lines to 1"):
        census(folder / "duphead3.csv", header=names)
    assert census(folder / "duphead3.csv", header=names, skip_lines=1).rows == 3000
    with pytest.raises(MillraceError, match="save the sheet as CSV"):
        census(folder / "book.xlsx")
    names = ["age", "job", "continent", "hours", "member", "income"]
    assert census(folder / "census.test", header=names, skip_lines={"census.test": 1}).rows == 1500


@pytest.mark.slow
def test_a_line_of_128_megabytes_is_refused() -> None:
    with pytest.raises(MillraceError, match="line 2001: expected at most 64 MiB"):
        census(HOSTILE / "j128.jsonl.gz")
