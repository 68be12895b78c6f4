"""References to environment variables."""

import pytest

from millrace.config.references import resolve
from millrace.errors import MillraceError

VARIABLES = {"USER": "ann", "PASSWORD": "pa/ss@${USER}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://${USER}@host/shop", "postgresql://ann@host/shop"),
        ("https://host/t.csv?sig=${PASSWORD}", "https://host/t.csv?sig=pa/ss@${USER}"),
        ("costs $5, {USER}, $USER, ${}, ${1}", "costs $5, {USER}, $USER, ${}, ${1}"),
    ],
)
def test_a_reference_stands_for_the_variables_value(text: str, expected: str) -> None:
    assert resolve(text, "data.database", VARIABLES) == expected


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(
        MillraceError, match=r"data\.database: .* variable TOKEN, found none"
    ) as raised:
        resolve("s3://${TOKEN}", "data.database", VARIABLES)
    assert "export TOKEN" in str(raised.value)
