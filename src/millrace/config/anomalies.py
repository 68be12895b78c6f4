"""`data.anomalies`: how severe each kind of anomaly is."""

from typing import Literal, TypeAlias

from pydantic import Field

from millrace.config.values import Section, plain_form

Severity: TypeAlias = Literal["error", "warning", "info", "ignore"]


class AnomaliesConfig(Section):
    """`data.anomalies`."""

    all_missing: Severity | None = Field(
        default=None, description="A column without a value in the training examples."
    )
    constant: Severity | None = Field(default=None, description="A column of one value.")
    label_leak: Severity | None = Field(
        default=None, description="A column that predicts the label almost alone."
    )
    drift: Severity | None = Field(
        default=None,
        description="A column that is distributed otherwise in validation or the test than in "
        "training.",
    )
    previous_drift: Severity | None = Field(
        default=None,
        description="A column that is distributed otherwise than in the run under `previous`, or "
        "was not there, or had another type.",
    )
    repeated_rows: Severity | None = Field(
        default=None,
        description="Rows of validation or the test that are equal to a row of an earlier split "
        "in all features.",
    )
    new_categories: Severity | None = Field(
        default=None, description="Values that no training example has."
    )
    rounded: Severity | None = Field(
        default=None, description="Whole numbers that float32, which models take, cannot hold."
    )
    number_format: Severity | None = Field(
        default=None,
        description="A column whose numbers are not written as programs write them: info where "
        "the cells leave no doubt.",
    )
    time_format: Severity | None = Field(
        default=None, description="As `number_format`, for dates and times."
    )
    mixed: Severity | None = Field(
        default=None, description="A column of text, most cells of which are numbers."
    )
    marker: Severity | None = Field(
        default=None,
        description="A text that counts as missing, in a column of text without empty cells.",
    )
    infinite: Severity | None = Field(default=None, description="A column with infinite numbers.")
    spelled_alike: Severity | None = Field(
        default=None, description="Values that differ only in case, spaces or punctuation."
    )
    quotes: Severity | None = Field(
        default=None, description="A file whose quotes were taken for text."
    )
    lines: Severity | None = Field(
        default=None,
        description="A text file with other lines than rows and a header: info where all of them "
        "are explained.",
    )
    split_shares: Severity | None = Field(
        default=None,
        description="With `data.split.by: group`: a split whose share of the rows is far from what "
        "`data.split` asks for.",
    )

    @property
    def severities(self) -> dict[str, Severity]:
        """The severity that the config gives to kinds of anomaly."""
        return plain_form(self)
