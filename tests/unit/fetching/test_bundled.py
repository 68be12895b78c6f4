"""The flights table, compared with a join of the package's tables in pandas."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from millrace.errors import MillraceError
from millrace.fetching import bundled

pytestmark = pytest.mark.skipif(
    find_spec(bundled.PACKAGE) is None, reason="the flights are not installed: envs/data.lock"
)


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundled") / "flights.csv"
    bundled.write_flights(path)
    return path


def test_the_table_is_the_one_that_pandas_makes(flights: Path) -> None:
    folder = bundled.data_folder()
    source = pd.read_csv(folder / "flights.csv.zip")
    planes = pd.read_csv(folder / "planes.csv").rename(columns={"year": "built"})
    weather = pd.read_csv(folder / "weather.csv")[["origin", "time_hour", *bundled.WEATHER]]
    source = source.merge(planes, on="tailnum", how="left", suffixes=("", "_plane"))
    source = source.merge(weather, on=["origin", "time_hour"], how="left")
    day = pd.to_datetime(source[["year", "month", "day"]])
    expected = pd.DataFrame(
        {
            "late": (source["arr_delay"] >= 30).astype(float).where(source["arr_delay"].notna()),
            "date": day.dt.strftime("%Y-%m-%d"),
            "month": source["month"],
            "day_of_week": day.dt.day_of_week + 1,
            "hour": source["hour"],
            "sched_dep_minutes": source["hour"] * 60 + source["minute"],
            "sched_arr_minutes": source["sched_arr_time"] // 100 * 60
            + source["sched_arr_time"] % 100,
            "carrier": source["carrier"],
            "origin": source["origin"],
            "dest": source["dest"],
            "distance": source["distance"],
            "plane_age": 2013 - source["built"],
            "manufacturer": source["manufacturer"],
            "plane_type": source["type"],
            "seats": source["seats"],
            "engine": source["engine"],
            **{name: source[name] for name in bundled.WEATHER},
        }
    )
    found = pd.read_csv(flights)
    assert len(found) == 336_776
    assert found["late"].isna().sum() == 9_430
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert not np.isin(["dep_delay", "arr_delay", "air_time"], found.columns).any()


def test_bytes_are_the_same_each_time(flights: Path, tmp_path: Path) -> None:
    bundled.write_flights(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == flights.read_bytes()


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "PACKAGE", "no-such-package")
    with pytest.raises(
        MillraceError, match=r"package not installed: no-such-package(.|\n)*data.lock"
    ):
        bundled.data_folder()


def test_a_changed_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = shutil.copytree(bundled.data_folder(), tmp_path / bundled.PACKAGE / "data")
    monkeypatch.setattr(bundled, "distribution", lambda _: FakeDistribution(tmp_path))
    bundled.data_folder()
    (folder / "planes.csv").write_text("tailnum\n")
    with pytest.raises(MillraceError, match=r"planes\.csv: expected SHA-256 778962"):
        bundled.data_folder()


class FakeDistribution:
    def __init__(self, root: Path) -> None:
        self.root = root

    def locate_file(self, name: str) -> Path:
        return self.root / name
