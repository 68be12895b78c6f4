"""Notes on how a table was read, for people: warnings, and detected formats."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from millrace.artifacts.account import Taken
from millrace.errors import MillraceError
from millrace.ingestion import cells, count_kernels, number_kernels
from millrace.ingestion.formats import Format, NumberFormat
from millrace.ingestion.tables import Census

# A missing-value text in a larger share of the label's cells than this may be a class.
MANY_MARKED = 0.01


def with_points(
    census: Census, names: Sequence[str], types: Mapping[str, str], formats: Mapping[str, Format]
) -> Iterator[Taken]:
    """Yields a warning for columns with decimal points in a table with decimal commas."""
    others = [
        name
        for name, format_ in formats.items()
        if isinstance(format_, NumberFormat) and format_.decimal == ","
    ]
    for name in names if others else ():
        if types[name] == "float64" and name not in formats and census[name][cells.FLOAT]:
            message = (
                f"{name!r} has decimal points, where {others[0]!r} has decimal commas; if its"
                f" points separate thousands, declare data.types: {{{name}: {{kind: float64,"
                ' decimal: ",", thousands: "."}}'
            )
            yield Taken("warning", "number_format", name, message)


def mixed(name: str, census: Census) -> Iterator[Taken]:
    """Yields a warning for a text column most of whose cells are numbers or times."""
    yield from (
        _two_ways(name, census) or _mostly_times(name, census) or _mostly_numbers(name, census)
    )


def _two_ways(name: str, census: Census) -> list[Taken]:
    """Returns a warning for a column that mixes decimal points and decimal commas."""
    counts, evidence = census[name], census.evidence.get(name)
    if evidence is None:
        return []
    points = int(counts[[cells.FLOAT, cells.PRECISE]].sum())
    with_comma = [
        int(evidence.number_counts[place, number_kernels.DECIMAL])
        for place, way in enumerate(evidence.numbers)
        if way.decimal == ","
    ]
    commas = max(with_comma, default=0)
    if not (points and commas) or 2 * (points + commas) <= census.present(name) - counts[cells.INT]:
        return []
    message = (
        f"{name!r} is text: {points:,} of its numbers have a decimal point and {commas:,} a decimal"
        " comma; write them in one way, in all files"
    )
    return [Taken("warning", "mixed", name, message)]


def _mostly_times(name: str, census: Census) -> list[Taken]:
    counts, evidence, present = census[name], census.evidence.get(name), census.present(name)
    times, samples = int(counts[[cells.DATE, cells.TIMESTAMP]].sum()), []
    if evidence:
        samples = [*evidence.samples]
        if evidence.times and max(evidence.time_counts) > times:
            times = max(evidence.time_counts)
            values = evidence.values(evidence.times[evidence.time_counts.index(times)])
            samples = [text for text, x in zip(samples, values, strict=True) if x is None]
    if 2 * times <= present:
        return []
    unfit = [repr(text.decode(errors="replace")) for text in samples[:5]]
    such = f"; cells such as {', '.join(unfit)} are none" if unfit else ""
    message = (
        f"{name!r} is text, though {times:,} of its {present:,} cells are dates or times{such}:"
        " data.types can make it one, and rejects the rows that have none"
    )
    return [Taken("warning", "mixed", name, message, unfit or None)]


def _mostly_numbers(name: str, census: Census) -> Iterator[Taken]:
    counts, evidence, present = census[name], census.evidence.get(name), census.present(name)
    numbers = int(counts[[cells.INT, cells.FLOAT, cells.PRECISE]].sum())
    unfit: list[str] = []
    if evidence and len(evidence.numbers):
        fits = evidence.number_counts[:, number_kernels.FITS]
        numbers = max(numbers, int(fits.max()))
        values = evidence.values(evidence.numbers[int(fits.argmax())])
        pairs = zip(evidence.samples, values, strict=True)
        unfit = [text.decode(errors="replace") for text, value in pairs if value is None]
    elif evidence:
        unfit = [text.decode(errors="replace") for text in evidence.samples]
    # Digits after a leading zero are ids, not malformed numbers.
    others = present - numbers - int(counts[[cells.CODE, cells.LONG]].sum())
    if 2 * numbers <= present or (others <= 0 and not evidence):
        return
    if evidence and others <= 0:
        message = f"{name!r} is text: its numbers are of several currencies, or some in percent"
    elif unfit:
        message = (
            f"{name!r} is text, though {numbers:,} of its {present:,} cells are numbers; "
            f"cells such as {', '.join(map(repr, unfit[:5]))} are none: where they stand for a"
            " missing value, list them under data.missing_values"
        )
    else:
        message = (
            f"{name!r} is text, though {numbers:,} of its {present:,} cells are numbers;"
            " data.types can make it a number, and rejects the rows that have none"
        )
    yield Taken("warning", "mixed", name, message, [repr(text) for text in unfit[:5]] or None)


def not_held(census: Census, names: Collection[str]) -> Iterator[Taken]:
    """Yields warnings for numbers that models cannot represent, in columns of floats."""
    for name in census.names:
        if name in names and (count := int(census[name][cells.INFINITE])):
            message = (
                f"{name!r} is infinite in {count:,} rows: models take it for the largest number,"
                " and for a missing value where data.missing_values lists inf"
            )
            yield Taken("warning", "infinite", name, message)
        if name in names and (count := census.rounded[name]):
            message = (
                f"{name!r} has {count:,} whole numbers that float32 cannot hold; models get the"
                " nearest one that it can, seven digits: if they are ids, declare data.types:"
                f" {{{name}: string}}"
            )
            yield Taken("warning", "rounded", name, message)
        if name in names and (count := census.cut[name]):
            message = (
                f"{name!r} has {count:,} numbers of more than {count_kernels.DOUBLE_DIGITS} digits,"
                " which are rounded to as many, and in models to seven: if they are ids, declare"
                f" data.types: {{{name}: string}}"
            )
            yield Taken("warning", "rounded", name, message)


def shown(census: Census, formats: Mapping[str, Format]) -> Iterator[Taken]:
    """Yields an example of how cells are read, for each column with an inferred format."""
    for name, format_ in formats.items():
        evidence = census.evidence[name]
        pairs = zip(evidence.samples, evidence.values(format_), strict=True)
        text, value = next(((t, v) for t, v in pairs if v is not None), (b"", None))
        what = "numbers" if isinstance(format_, NumberFormat) else format_.pattern
        example = f"{text.decode(errors='replace')!r} is {value}"
        message = f"{name!r} is read as {what}: {example}"
        kind = "number_format" if isinstance(format_, NumberFormat) else "time_format"
        yield Taken("info", kind, name, message, [example])


def marked(census: Census, label: str, names: Collection[str], confirmed: bool) -> Iterator[Taken]:
    """Yields warnings for texts that count as missing but may be values.

    Args:
      census: the counts of all cells.
      label: the label's column.
      names: the columns to check.
      confirmed: whether the config itself lists the texts that mean missing.

    Raises MillraceError when many cells of the label have such a text and none is empty.
    """
    for name in names:
        texts = census.markers.get(name, Counter())
        missing = int(census[name][cells.MISSING])
        if confirmed or not texts or sum(texts.values()) < missing or not census.rows:
            continue
        share = missing / census.rows
        listed = ", ".join(f"{text!r} ({count:,})" for text, count in sorted(texts.items()))
        if name == label and share > MANY_MARKED:
            raise MillraceError(
                f"label {label!r}: expected labels, found {listed} in {share:.1%} of the rows,"
                " which counts as missing, and no empty cell.",
                note="if it is a class, list under data.missing_values only what stands for a"
                ' missing value, such as [""]; if such rows have no label, list it there.',
            )
        letters = [text for text in texts if text.strip("/.").isalpha()]
        if name != label and letters and share > MANY_MARKED:
            message = (
                f"{name!r} has no empty cell; {listed} counts as missing: if it is a value, set"
                " data.missing_values without it"
            )
            yield Taken("warning", "marker", name, message)
