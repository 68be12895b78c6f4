"""References to environment variables, `${NAME}`, which keep secrets out of configs and results."""

import os
import re
from collections.abc import Mapping

from millrace.errors import MillraceError

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def resolve(text: str, where: str, environment: Mapping[str, str] = os.environ) -> str:
    """Returns a text with the value of each variable that it refers to.

    Call it where the value is used, and keep the text as it was for everything that is written.

    Args:
        text: what the config says, such as `postgresql://ann:${PASSWORD}@host/shop`.
        where: the config's key, for the message.
        environment: the environment variables.

    Raises:
        MillraceError: a variable is not set.
    """

    def value(reference: re.Match[str]) -> str:
        name = reference[1]
        if name not in environment:
            raise MillraceError(
                f"{where}: expected the environment variable {name}, found none.",
                note=f"`export {name}=…` before the run.",
            )
        return environment[name]

    return REFERENCE.sub(value, text)
