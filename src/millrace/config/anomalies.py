"""`data.anomalies`: the severity of each kind of anomaly."""

from typing import Literal, TypeAlias

from pydantic import Field

from millrace.config.values import Section, plain_form

Severity: TypeAlias = Literal["error", "warning", "info", "ignore"]


class AnomaliesConfig(Section):
    """`data.anomalies`."""

    all_missing: Severity | None = Field(
        default=None, description="A column without values in the training examples."
    )
    constant: Severity | None = Field(default=None, description="A column with a single value.")
    label_leak: Severity | None = Field(
        default=None, description="A column that predicts the label almost perfectly by itself."
    )
    drift: Severity | None = Field(
        default=None,
        description="A column whose distribution in validation or test differs from training.",
    )
    previous_drift: Severity | None = Field(
        default=None,
        description="A column whose distribution differs from that under `previous`, or that was "
        "missing or had another type there.",
    )
    repeated_rows: Severity | None = Field(
        default=None,
        description="Rows of validation or test that equal a row of an earlier split in all "
        "features.",
    )
    new_categories: Severity | None = Field(
        default=None, description="Values that no training example has."
    )
    rounded: Severity | None = Field(
        default=None,
        description="Whole numbers that float32, which models take, cannot represent, and other "
        "numbers of more than 17 digits.",
    )
    number_format: Severity | None = Field(
        default=None,
        description="A column of formatted numbers, such as `$1,234.50`; info if the format is "
        "unambiguous.",
    )
    time_format: Severity | None = Field(default=None, description="The same for dates and times.")
    mixed: Severity | None = Field(
        default=None, description="A text column in which most cells are numbers or dates."
    )
    marker: Severity | None = Field(
        default=None,
        description="A text that is treated as missing in a text column without empty cells.",
    )
    infinite: Severity | None = Field(default=None, description="A column with infinite numbers.")
    spelled_alike: Severity | None = Field(
        default=None, description="Values that differ only in case, spaces or punctuation."
    )
    quotes: Severity | None = Field(
        default=None, description="A file whose quotes were read as text."
    )
    lines: Severity | None = Field(
        default=None,
        description="A text file with lines that are neither rows nor a header; info if all of "
        "them are explained.",
    )
    split_shares: Severity | None = Field(
        default=None,
        description="With `data.split.by: group`: a split whose share of the rows is far from "
        "that in `data.split`.",
    )

    @property
    def severities(self) -> dict[str, Severity]:
        """The severities that the config sets, by kind of anomaly."""
        return plain_form(self)
