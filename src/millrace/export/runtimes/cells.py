"""Converts the cells of a table to model inputs, as signature.json describes.

Needs only Python. The clients in this folder import it, and have their command line in common
(`run_client`). `web/cells.cjs` converts the same way in JavaScript.
"""

import argparse
import json
import math
import re
import sys
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

# A column's entry under `inputs` in signature.json.
Input = dict[str, Any]

TRUTH = {"true": 1.0, "false": 0.0}
NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)", re.IGNORECASE
)

# Spaces within numbers: plain, no-break, narrow no-break, thin.
GAP = "[ \u00a0\u202f\u2009]"
SIGN = "[-+−]"
CURRENCIES = (
    *("US$", "R$", "A$", "C$", "$", "£", "€", "¥", "₹", "₽", "₺", "₩", "₪", "₫", "₴", "฿"),
    *("USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "CNY", "INR", "SEK", "NOK", "DKK"),
    *("PLN", "CZK", "HUF", "BRL", "MXN", "ZAR", "TRY", "SGD", "HKD", "KRW", "RUB"),
    *("kr.", "kr", "zł", "Kč", "Ft", "Rs.", "Rs"),
)

ISO = re.compile(
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:\.(?P<f>[0-9]{1,9}))?)?"
    r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
# The pattern of each directive of a format; %s and %Q are (milli)seconds since 1970.
DIRECTIVES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    **dict.fromkeys("mdHIMS", "[0-9]{1,2}"),
    "f": "[0-9]+",
    "p": "[AaPp][Mm]",
    **dict.fromkeys("bBaA", "[A-Za-z]+"),
    "z": "Z|[+-][0-9]{2}:?[0-9]{2}",
    "Z": "Z|UTC|GMT",
    **dict.fromkeys("sQ", r"-?[0-9]+(?:\.[0-9]*)?"),
    "%": "%",
}
MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)


def run_client(
    description: str | None,
    predict: Callable[[argparse.Namespace, dict[str, list[Any]], list[Input]], Any],
    *options: str,
) -> None:
    """Runs a client's command line: reads rows, writes predictions.

    Ends with one error if the rows do not fit the signature.

    Args:
        description: what `--help` says of the client.
        predict: returns the predictions, an array [n] or [n, classes], for the parsed options, the
            columns as `tensors` returns them, and `inputs` of signature.json.
        options: those beside `--model`, `--signature`, `--rows` and `--output`.
    """
    parser = argparse.ArgumentParser(description=description)
    for name in ("model", *options, "signature", "rows", "output"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    inputs = json.loads(Path(given.signature).read_text(encoding="utf-8"))["inputs"]
    try:
        columns = tensors(read_rows(given.rows, inputs), inputs)
    except ValueError as error:
        sys.exit(f"error: {error}")
    predictions = predict(given, columns, inputs)
    result = {
        "shape": predictions.shape,
        # Non-finite numbers as text: JSON has none.
        "predictions": [x if math.isfinite(x) else str(x) for x in predictions.ravel().tolist()],
    }
    Path(given.output).write_text(json.dumps(result), encoding="utf-8")


def read_rows(path: str, inputs: list[Input]) -> dict[str, list[Any]]:
    """Returns rows from a JSON file, {column: [cell, …]}.

    Raises:
        ValueError: the file is not JSON in UTF-8, or its columns are not those of the signature.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        # Numbers as in JavaScript, however many digits they have.
        rows = json.loads(text, parse_int=float, parse_constant=_refuse)
    except OSError as error:
        raise ValueError(
            f"{path}: expected a file that can be read, found {error.strerror}."
        ) from None
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: expected JSON in UTF-8, found something else.") from None
    if not isinstance(rows, dict) or not all(isinstance(cells, list) for cells in rows.values()):
        raise ValueError(f"{path}: expected {{column: [cell, …]}}, found something else.")
    expected = [about["name"] for about in inputs]
    missing = [name for name in expected if name not in rows]
    unknown = [name for name in rows if name not in expected]
    if missing or unknown:
        raise ValueError(
            f"{path}: expected the columns of the signature, found missing {missing!a}, "
            f"unknown {unknown!a}."
        )
    lengths = {len(cells) for cells in rows.values()}
    if len(lengths) != 1:
        raise ValueError(f"{path}: expected columns of one length, found lengths {lengths}.")
    return rows


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def tensors(rows: dict[str, list[Any]], inputs: list[Input]) -> dict[str, list[Any]]:
    """Returns a model's inputs by key.

    Args:
        rows: cells by column: verbatim text, a number, or None for missing.
        inputs: those of signature.json.

    Raises:
        ValueError: a cell is not a number or time in the column's format.
    """
    found = {}
    for about in inputs:
        try:
            found[about["key"]] = [as_input(cell, about) for cell in rows[about["name"]]]
        except ValueError as error:
            raise ValueError(f"column {about['name']!a}: {error}") from None
    return found


def as_input(cell: Any, about: Input) -> Any:
    """Returns a cell as a model input."""
    text = cell.strip(" \t") if isinstance(cell, str) else cell
    is_missing = text is None or text == "" or text in (about["missing"] or [])
    if about["column_type"] in ("date", "timestamp"):
        days, seconds = (float("nan"),) * 2 if is_missing else days_and_seconds(text, about)
        return days if about["column_type"] == "date" else [days, seconds]
    if about["type"] == "float32":
        # The models themselves know numbers that mean missing, such as -1.
        return float("nan") if is_missing else as_number(text, about)
    if cell is not None:
        _check_text(cell)
    if about["max_length"]:
        found = [] if is_missing else values(text, about["delimiter"])[: about["max_length"]]
        return found + [""] * (about["max_length"] - len(found))
    if about["missing"] is None:
        return cell or ""
    # The models recognise texts that mean missing with one space on either side.
    if (
        about["takes_cells"]
        and cell is not None
        and cell.removeprefix(" ").removesuffix(" ") == text
    ):
        return cell
    return "" if is_missing else text


def _check_text(cell: Any) -> None:
    if not isinstance(cell, str):
        raise ValueError(f"expected a text, found {cell!a:.80}")
    try:
        cell.encode()
    except UnicodeEncodeError:
        raise ValueError(f"expected a text in Unicode, found {cell!a:.80}") from None


def as_number(cell: Any, about: Input) -> float:
    """Returns the number in a cell, or 1 and 0 for true and false."""
    if isinstance(cell, bool | int | float):
        return float(cell)
    if not isinstance(cell, str):
        raise ValueError(f"expected a number or its text, found {cell!a:.80}")
    if cell.lower() in TRUTH:
        return TRUTH[cell.lower()]
    if about["decimal"] is not None:
        return formatted_number(cell, about["decimal"], about["thousands"])
    if not NUMBER.fullmatch(cell):
        raise ValueError(f"expected a number such as 1234.5, found {cell!a}")
    return float(cell)


def formatted_number(text: str, decimal: str, thousands: str) -> float:
    """Parses a number such as `$1,234.50`, `12,5 %` or `(300)`.

    A percent sign does not divide: `12.5%` is 12.5.
    """
    found = _number_pattern(decimal, thousands).fullmatch(text)
    if found:
        negative = bool(found["open"] or found["inner"])
        signs = [sign for sign in found.group("first", "second", "last") if sign]
        paired = negative == bool(found["close"]) and not (found["open"] and found["inner"])
        one_currency = not (found["before"] and found["behind"])
        digits = re.sub(_separator(thousands), "", found["number"]).replace(decimal, ".")
        if paired and one_currency and len(signs) + negative <= 1 and re.search("[0-9]", digits):
            return -float(digits) if negative or {*signs} & {"-", "−"} else float(digits)
    raise ValueError(f"expected a number written as 1{thousands}000{decimal}5, found {text!a}")


def _separator(thousands: str) -> str:
    return {"": "(?!)", " ": GAP, "'": "['’]"}.get(thousands) or re.escape(thousands)


@cache
def _number_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    apart, point = _separator(thousands), rf"{re.escape(decimal)}[0-9]*"
    # Groups of three digits, or of two before the last, as in India.
    groups = f"[1-9][0-9]{{0,2}}(?:(?:{apart}[0-9]{{3}})+|(?:{apart}[0-9]{{2}})+{apart}[0-9]{{3}})"
    plain = f"(?:0|[1-9][0-9]*)?(?:{point})?(?:[eE][+-]?[0-9]+)?"
    money = "|".join(map(re.escape, CURRENCIES))
    return re.compile(
        rf"(?P<open>\()?(?P<first>{SIGN})?{GAP}*(?P<before>{money})?{GAP}*(?P<second>{SIGN})?(?P<inner>\()?"
        rf"(?P<number>{groups}(?:{point})?|{plain})"
        rf"{GAP}*(?:%|(?P<behind>{money}){GAP}*)?(?P<last>{SIGN})?(?P<close>\))?"
    )


def days_and_seconds(cell: Any, about: Input) -> tuple[float, float]:
    """Returns the days since 1970 and the seconds of the day, in UTC, of a time.

    The time is in the column's `format`, or in ISO 8601 if it has none.
    """
    form, text = about["format"], str(cell)
    if form is None:
        matched = ISO.fullmatch(text)
        found = matched and {name: part for name, part in matched.groupdict().items() if part}
    else:
        found = _scan(text, form)
    try:
        since = _since_1970(found) if found else None
    except (ValueError, OverflowError):
        since = None
    if since is None:
        wanted = "as ISO 8601, such as 2013-01-31T08:30:00Z" if form is None else f"as {form}"
        raise ValueError(f"expected a time written {wanted}, found {text!a}")
    return float(since.days), since.seconds + since.microseconds / 1e6


def _scan(text: str, form: str) -> dict[str, str] | None:
    """Returns the text of each directive of a format; None if the text does not match."""
    found, position = {}, 0
    for directive, literal in re.findall("%(.)|(.)", form, re.DOTALL):
        literal = " +" if literal == " " else re.escape(literal)
        matched = re.compile(DIRECTIVES.get(directive, literal)).match(text, position)
        if not matched:
            return None
        if directive:
            found[directive] = matched[0]
        position = matched.end()
    return found if position == len(text) else None


def _since_1970(found: dict[str, str]) -> timedelta:
    """Returns a time from the texts of its directives. Raises ValueError if it does not exist."""
    for directive, unit in (("s", 1_000_000), ("Q", 1000)):
        if directive in found:
            return timedelta(microseconds=int(Decimal(found[directive]) * unit))
    year = int(found.get("Y") or found["y"])
    if "Y" not in found:
        year += 1900 if year >= 69 else 2000
    hour = int(found.get("H", 0))
    if "I" in found:
        if not 1 <= int(found["I"]) <= 12 or "p" not in found:
            raise ValueError("a clock of 12 hours has no such hour")
        hour = int(found["I"]) % 12 + 12 * (found["p"].lower() == "pm")
    time = datetime(
        year,
        _month(found),
        int(found.get("d", 1)),
        hour,
        int(found.get("M", 0)),
        int(found.get("S", 0)),
        int(found.get("f", "0")[:6].ljust(6, "0")),
    )
    return time - datetime(1970, 1, 1) - _offset(found.get("z", "Z"))


def _month(found: dict[str, str]) -> int:
    name = (found.get("b") or found.get("B") or "").lower()
    if not name:
        return int(found.get("m", 1))
    name = "sep" if name == "sept" else name
    return next((i for i, month in enumerate(MONTHS, 1) if name in (month, month[:3])), 0)


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta()
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return -ahead if zone[0] == "-" else ahead


def values(text: str, delimiter: str) -> list[str]:
    """Returns the values of a delimited cell, or with no delimiter the words of a text."""
    if delimiter:
        parts = [part.strip(" \t\n\v\f\r") for part in text.split(delimiter)]
        return [part for part in parts if part]
    letters = [x if unicodedata.category(x)[0] in "LMN" else " " for x in text.lower()]
    return "".join(letters).split()
