"""A job's config: a YAML file, checked by the classes of this package, which define the defaults.

`load` and `complete` return a `JobConfig`, whose attributes are the keys of the file.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from millrace.config import checks, loading
from millrace.config.job import JobConfig
from millrace.config.messages import explain
from millrace.config.values import plain_form

SCHEMA_PATH = Path(__file__).parents[3] / "config" / "schema.json"


def load(path: Path) -> JobConfig:
    """Reads a config file, checks it and fills in the defaults.

    Raises MillraceError when the file is missing, is not YAML, or breaks the schema; the message
    names the key, what was found and what was expected.
    """
    return complete(loading.read(path), source=str(path))


def complete(config: Any, source: str = "config") -> JobConfig:
    """Checks a config in memory and fills in the defaults.

    `source` names the config in messages. Raises MillraceError as `load` does.
    """
    plain = loading.plain(config, source)
    try:
        job = JobConfig.model_validate(plain)
    except ValidationError as error:
        raise explain(error, plain, source) from None
    checks.check(job, source)
    return job


def digest(job: JobConfig) -> str:
    """Returns the SHA-256 of a config; equal configs give equal digests."""
    return hashlib.sha256(json.dumps(plain_form(job), sort_keys=True).encode()).hexdigest()
