"""Addresses of files and databases, without secrets because configs are published.

A secret is written as `${NAME}` and replaced by the value of that environment variable when a
connection is made. The rest of an address may be shown.
"""

import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from millrace.errors import MillraceError

REFERENCE = re.compile(r"\$\{(\w+)\}")
DATABASE_PASSWORD = "MILLRACE_DATABASE_PASSWORD"
HIDDEN = "***"
# Query parameters that are safe to show. The value of any other parameter could be a secret.
PARAMETERS = """
    application_name charset connect_timeout dl download driver encrypt export file format gid host
    inline mode name output path raw ref sslmode timeout trustservercertificate uri version
"""
LONGEST_VALUE = 40
# Signs of a secret in a text that is not an address, or is a malformed one.
SECRET = re.compile(r"(passw|pwd|token|secret|key|sig|credential)\w*\s*[=:]", re.IGNORECASE)
SETTING = re.compile(r"(^|;)\s*(password|passwd|pwd|token|secret|\w*key)\s*=", re.IGNORECASE)


def refuse_secrets(address: str, where: str, is_database: bool = False) -> None:
    """Raises MillraceError when an address may contain a secret; the message does not show it."""
    fault = next(_faults(address, is_database), None)
    if fault:
        shown = public(address) if "://" in address else HIDDEN
        raise MillraceError(
            f"{where}: expected no secret in an address, found {fault} in {shown}.",
            note="the report and provenance.json hold the config. Write ${NAME} for what is "
            "secret, such as ${TOKEN}, and set that environment variable"
            + (
                f"; the password of a user may be in {DATABASE_PASSWORD} alone."
                if is_database
                else "; a user and password for http may be in ~/.netrc."
            ),
        )


def _faults(address: str, is_database: bool) -> Iterator[str]:
    _, separator, rest = address.partition("://")
    if not separator:
        if is_database and SETTING.search(REFERENCE.sub("", address)):
            yield "a password"
        return
    place, _, query = rest.replace("#", "?").partition("?")
    authority, _, path = place.partition("/")
    user, at, host = authority.rpartition("@")
    name, _, password = user.partition(":")
    if _literal(password):
        yield "a password"
    if at and _literal(name) and not is_database and not REFERENCE.search(password):
        yield "a user"
    port = re.sub(r"^\[.*\]", "", host).partition(":")[2]
    # A password with a slash ends the authority for every parser: ann:pa/ss@host.
    odd = port and not re.fullmatch(r"\d*", _literal(port))
    if odd or ("@" in path and (port or is_database) and "." not in host):
        yield "what may be a password"
    for parameter in re.split("[&;]", query):
        name, _, value = parameter.partition("=")
        if not _literal(parameter) or (name and REFERENCE.fullmatch(value)):
            continue
        if name.lower() not in PARAMETERS.split() or len(value) > LONGEST_VALUE:
            yield f"the parameter {name[:20]!r}" if "=" in parameter else "a query"


def _literal(text: str) -> str:
    return REFERENCE.sub("", text)


def public(address: str) -> str:
    """Returns an address without user, password, query and fragment; paths are unchanged."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    place, *others = re.split(r"[?#]", rest)
    if any("@" in other for other in others):  # place may then begin with part of a password
        return f"{scheme}://{HIDDEN}"
    place = place.rpartition("@")[2]
    # What follows a colon, if it is not a port, may be part of a password.
    authority, slash, path = place.partition("/")
    _, colon, port = authority.rpartition(":")
    if colon and not port.isdigit() and not authority.startswith("["):
        authority, slash, path = HIDDEN, "", ""
    return f"{scheme}://{authority}{slash}{path}"


def redacted(text: str) -> str:
    """Returns a text of the config for an error message, with possible secrets hidden."""
    scheme, separator, _ = text.partition("://")
    if separator:
        return public(text) if re.fullmatch(r"[\w+.-]+", scheme) else HIDDEN
    plain, question, _ = text.partition("?")
    if SECRET.search(unquote(text)) or re.search(r":.*@", plain):
        return HIDDEN
    return plain + question + HIDDEN if "=" in text[len(plain) :] else text


def without_secrets(value: Any) -> Any:
    """Returns a value of the config for an error message, with all texts `redacted`."""
    match value:
        case str():
            return redacted(value)
        case dict():
            return {
                redacted(key) if isinstance(key, str) else key: without_secrets(item)
                for key, item in value.items()
            }
        case list() | tuple():
            return [without_secrets(item) for item in value]
    return value


def resolved(address: str) -> str:
    """Returns an address with its `${NAME}` references replaced by environment variables.

    Raises MillraceError when a variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        try:
            return os.environ[match[1]]
        except KeyError:
            raise MillraceError(
                f"{public(address)}: expected the environment variable {match[1]}, to which "
                "the config refers, found it not set.",
                note=f"export {match[1]}=... where the job is started.",
            ) from None

    return REFERENCE.sub(value, address)


def scrubbed(text: str, address: str) -> str:
    """Returns a text from a library, such as an error message, without an address's secrets."""
    names = [*REFERENCE.findall(address), DATABASE_PASSWORD]
    for secret in sorted((os.environ.get(name, "") for name in names), key=len, reverse=True):
        for form in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)} - {""}:
            text = text.replace(form, HIDDEN)
    return text
