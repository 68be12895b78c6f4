"""Infers the types and formats of a table's columns from the counts of their cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.artifacts.account import Taken
from millrace.config.data import DataConfig
from millrace.errors import MillraceError
from millrace.ingestion import cells, notes, number_kernels
from millrace.ingestion.formats import Evidence, Format, NumberFormat, TimeFormat, of_column
from millrace.ingestion.tables import Census

NUMBERS = ("int64", "float32", "float64")
TIMES = ("date", "timestamp")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Given:
    """The types and formats in the config: `data.types`, `decimal`, `thousands`."""

    types: Mapping[str, str]
    formats: Mapping[str, Format]
    separators: tuple[str | None, str | None]

    @classmethod
    def of(cls, data: DataConfig) -> "Given":
        """Reads `data` of a config; raises MillraceError when a format is invalid."""
        types, formats = {}, {}
        for name, entry in data.types.items():
            types[name] = entry if isinstance(entry, str) else entry.kind
            try:
                found = None if isinstance(entry, str) else of_column(entry)
            except MillraceError as error:
                raise MillraceError(f"data.types.{name}: {error}") from None
            if found:
                _check_kind(name, types[name], found)
                formats[name] = found
        return cls(types, formats, (data.decimal, data.thousands))


def _check_kind(name: str, kind: str, found: Format) -> None:
    if isinstance(found, NumberFormat):
        fitting: tuple[str, ...] = NUMBERS
    else:
        fitting = TIMES if found.kind == "date" else ("timestamp",)
    if kind not in fitting:
        raise MillraceError(
            f"data.types.{name}: expected a kind out of {', '.join(fitting)} with this format, "
            f"found {kind}.",
            note="change kind, or remove the format.",
        )


@dataclass(frozen=True)
class Inferred:
    """Types and formats by column, and the interpretations that a person should check."""

    types: dict[str, str]
    formats: dict[str, Format]
    taken: list[Taken]


def infer(census: Census, names: Sequence[str], given: Given, tolerated: float) -> Inferred:
    """Infers the types and formats of columns.

    Args:
      census: the counts of all cells.
      names: the columns to infer.
      given: the types and formats in the config, which take precedence.
      tolerated: the number of cells that may not fit; see `column_type`.

    Raises MillraceError when two formats fit a column and give different values.
    """
    types = {name: column_type(census[name], tolerated) for name in names}
    formats = dict(given.formats)
    taken: list[Taken] = []
    open_ones: dict[str, list[int]] = {}
    for name in names:
        if name in formats or name not in census.evidence or given.types.get(name) == "string":
            continue
        if types[name] != "string" and given.separators == (None, None):
            continue
        ways = _fitting_numbers(census.evidence[name], census.present(name), tolerated)
        if ways and given.types.get(name, "float64") in NUMBERS:
            open_ones[name] = ways
        elif given.types.get(name, "date") in TIMES and types[name] not in TIMES:
            found = _time(name, census.evidence[name], census.present(name), tolerated, taken)
            if found:
                types[name], formats[name] = found.kind, found
    decimals = _decimals(census, names, types, open_ones)
    for name, ways in open_ones.items():
        way = _number(name, census.evidence[name], ways, decimals, taken)
        formats[name] = census.evidence[name].numbers[way]
        counts = census.evidence[name].number_counts[way]
        whole = counts[number_kernels.WHOLE] == counts[number_kernels.FITS]
        types[name] = "int64" if whole else "float64"
    taken += notes.with_points(census, names, types, formats)
    types |= {name: given.types[name] for name in names if name in given.types}
    for name in names:
        if name not in formats and name not in given.types and types[name] == "string":
            taken += notes.mixed(name, census)
    floats = {name for name in names if types[name] in ("float32", "float64")}
    taken += notes.not_held(census, floats)
    guessed = {name: formats[name] for name in names if name in formats.keys() - given.formats}
    taken += notes.shown(census, guessed)
    return Inferred(types, {name: formats[name] for name in names if name in formats}, taken)


def column_type(counts: Array, tolerated: float) -> str:
    """Returns the narrowest type that fits all cells of a column, or all but a few.

    `counts` is int64 [cells.CLASSES]. `tolerated` is the number of cells that may not fit a type
    other than string: a share if below 1, else a count. Their rows will be rejected.
    """
    present = counts.sum() - counts[cells.MISSING]
    floats = counts[[cells.FLOAT, cells.PRECISE, cells.INFINITE]].sum()
    # Integers beyond 64 bits are ids, unless the column also has floats.
    long = counts[cells.LONG] if floats else 0
    fitting = {
        "bool": counts[cells.BOOL],
        "int64": counts[cells.INT],
        "float64": counts[cells.INT] + floats + long,
        "date": counts[cells.DATE],
        "timestamp": counts[cells.DATE] + counts[cells.TIMESTAMP],
    }
    best = max(fitting, key=lambda name: int(fitting[name]))
    return best if _fits(int(fitting[best]), int(present), tolerated) else "string"


def _fits(fitting: int, present: int, tolerated: float) -> bool:
    limit = tolerated * present if tolerated < 1 else tolerated
    return bool(fitting and present - fitting <= limit)


def _fitting_numbers(evidence: Evidence, present: int, tolerated: float) -> list[int]:
    """Returns the number formats that fit the most cells; none if too few cells fit.

    Numbers in two currencies, or only partly in percent, have no common unit and do not count.
    """
    found = evidence.number_counts
    fits = found[:, number_kernels.FITS]
    if not len(fits) or not _fits(int(fits.max()), present, tolerated):
        return []
    return [
        way
        for way in np.flatnonzero(fits == fits.max()).tolist()
        if found[way, number_kernels.PERCENT] in (0, fits[way])
        and int(evidence.currencies[way]).bit_count() <= 1
    ]


def _meaning(evidence: Evidence, way: int) -> tuple[tuple[str, int], ...]:
    """Returns the use of each separator and its number of cells; equal for equivalent formats."""
    counts, format_ = evidence.number_counts[way], evidence.numbers[way]
    uses = {
        format_.decimal: ("decimal", counts[number_kernels.DECIMAL]),
        format_.thousands: ("thousands", counts[number_kernels.GROUPED]),
    }
    return tuple(
        (f"{separator} {use}", int(count))
        for separator, (use, count) in sorted(uses.items())
        if count
    )


def _decimals(
    census: Census,
    names: Sequence[str],
    types: Mapping[str, str],
    open_ones: Mapping[str, list[int]],
) -> set[str]:
    """Returns the decimal separators of the unambiguous columns of the table."""
    found = set()
    for name in names:
        if types[name] == "float64" and name not in open_ones:
            found |= {"."} if census[name][[cells.FLOAT, cells.PRECISE]].any() else set()
    for name, ways in open_ones.items():
        evidence = census.evidence[name]
        meanings = {_meaning(evidence, way) for way in ways}
        if len(meanings) == 1 and any(meanings):
            found.add(evidence.numbers[ways[0]].decimal)
    return found


def _number(
    name: str, evidence: Evidence, ways: list[int], decimals: set[str], taken: list[Taken]
) -> int:
    """Chooses the format of a column's numbers out of those that fit."""
    if len({_meaning(evidence, way) for way in ways}) == 1:
        return ways[0]
    text = next(iter(evidence.samples)).decode(errors="replace")
    commas = any("," in use for way in ways for use, _ in _meaning(evidence, way))
    likely = decimals or (set() if commas else {"."})
    left = [way for way in ways if evidence.numbers[way].decimal in likely]
    if not left or len({_meaning(evidence, way) for way in left}) > 1:
        raise MillraceError(
            f"column {name!r}: expected numbers that can be read in one way, found {text!r}, whose"
            " comma may separate thousands or decimals.",
            note=f"say which under data.decimal, or as data.types: {{{name}: {{kind: float64, "
            'decimal: ",", thousands: "."}}, or leave them text with kind: string.',
        )
    by = "as other columns have it" if decimals else "as programs write numbers"
    format_ = evidence.numbers[left[0]]
    message = (
        f"{name!r} has cells such as {text!r}, in which {format_.decimal!r} was taken for the"
        f" decimal separator, {by}; data.decimal or data.types can say otherwise"
    )
    taken.append(Taken("warning", "number_format", name, message, [repr(text)]))
    return left[0]


def _time(
    name: str, evidence: Evidence, present: int, tolerated: float, taken: list[Taken]
) -> TimeFormat | None:
    """Returns the format of a column's times, or None if they are not times.

    Raises MillraceError when day and month cannot be distinguished.
    """
    most = max(evidence.time_counts, default=0)
    if not _fits(most, present, tolerated):
        return None
    ways = [
        way
        for way, count in zip(evidence.times, evidence.time_counts, strict=True)
        if count == most
    ]
    readings = {tuple(evidence.values(way)) for way in ways}
    if len(readings) == 1:
        return ways[0]
    text = next(iter(evidence.samples)).decode(errors="replace")
    patterns = ", ".join(way.pattern for way in ways)
    if any("%y" in way.pattern for way in ways):  # too short to be sure that it is a date
        message = (
            f"{name!r} has cells such as {text!r} that may be dates, written as one of {patterns};"
            " it is left text: data.types can give the format"
        )
        taken.append(Taken("warning", "time_format", name, message, [repr(text)]))
        return None
    raise MillraceError(
        f"column {name!r}: expected dates that can be read in one way, found {text!r}, which may"
        f" be {patterns}.",
        note=f"give it as data.types: {{{name}: {{kind: {ways[0].kind}, "
        f'format: "{ways[0].pattern}"}}}}, or leave it text with kind: string.',
    )
