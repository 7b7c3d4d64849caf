"""Reads a custom provider as a caller sends it: whole (POST) or as a change (PATCH), with every field checked for
itself, and then what the types cannot say (control-plane 4.1).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, inspect, structs

from isthmus.validation.fields import InvalidFields, Problem, missing, problems, type_of

BAD_BASE_URL = 1002
REQUIRED = ("name", "slug", "base_url")
READ_ONLY = frozenset({"id", "account_id", "account_tag", "logo", "created_at", "modified_at"})

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
# Of the connection's own making, or the gateway's.
FRAMING = frozenset(
    {"host", "content-length", "content-type", "connection", "transfer-encoding", "keep-alive", "upgrade", "te"}
    | {"trailer", "expect", "accept-encoding", "proxy-connection"}
)
_SECRET = re.compile(r"auth|key|token|cookie|secret|password|credential|signature", re.IGNORECASE)

Text = Annotated[str, Meta(max_length=8192)]
Example = Annotated[str, Meta(max_length=65536)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller sets. The optional ones may be null, which unsets them."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    slug: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$")]
    base_url: Annotated[str, Meta(min_length=1, max_length=2048)]
    description: Text | None = None
    link: Text | None = None
    curl_example: Example | None = None
    js_example: Example | None = None
    enable: bool | None = None
    beta: bool | None = None
    headers: Text | None = None
    position: int | None = None


FIELD_NAMES = structs.fields(Settings)


def read_custom_provider(body: Mapping[str, object]) -> dict[str, Any]:
    """All that the body sets. Raises `InvalidFields` with every problem."""
    return _checked(body, complete=True)


def patch_custom_provider(body: Mapping[str, object]) -> dict[str, Any]:
    """The same for a change: nothing is required."""
    return _checked(body, complete=False)


def _checked(body: Mapping[str, object], complete: bool) -> dict[str, Any]:
    found = list(_field_problems(body, complete))
    given: dict[str, Any] = {field.name: body[field.name] for field in FIELD_NAMES if field.name in body}
    wrong = {problem.path[1] for problem in found}
    if "base_url" in given and "base_url" not in wrong:
        found += _base_url_problems(given["base_url"])
    if given.get("headers") is not None and "headers" not in wrong:
        found += _header_problems(given["headers"])
    if found:
        only_the_url = all(problem.path == ("body", "base_url") for problem in found)
        raise InvalidFields(found, code=BAD_BASE_URL if only_the_url and "base_url" in body else None)
    if "slug" in given:
        given["slug"] = given["slug"].lower()  # names of models are taken in any case
    return given


def _field_problems(body: Mapping[str, object], complete: bool) -> Iterator[Problem]:
    for field in _described().fields:
        place = ("body", field.encode_name)
        if field.encode_name in body:
            yield from problems(body[field.encode_name], field.type, place)
        elif complete and field.required:
            yield Problem(path=place, message=missing(field.type))


def _base_url_problems(base_url: str) -> Iterator[Problem]:
    message = _wrong_with_address(base_url)
    if message is not None:
        yield Problem(path=("body", "base_url"), message=message)


def _wrong_with_address(base_url: str) -> str | None:
    if not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        return "Invalid url"
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "Invalid url"
    if parts.scheme != "https" or not host:
        return "Must begin with https:// and name a host"
    if parts.query or parts.fragment or parts.username is not None or "?" in base_url or "#" in base_url:
        return "Must have no query, fragment or user name"
    # What a name leads to is judged when it is connected to.
    return "Must not be a private address" if _is_private(host) else None


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _header_problems(text: str) -> Iterator[Problem]:
    path = ("body", "headers")
    try:
        headers = msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        yield Problem(path=path, message="Must be a JSON object as text, names to values, all strings")
        return
    for name, value in headers.items():
        shown = name[:64]
        if not HEADER_NAME.fullmatch(name):
            yield Problem(path=path, message=f"'{shown}' is no name of a header")
        elif name.lower() in FRAMING:
            yield Problem(path=path, message=f"{shown} is set by the gateway itself")
        elif _SECRET.search(name):
            message = (
                f"{shown} would hold a credential, and those cannot be stored yet: stored provider keys are to come. "
                f"Until then the operator can declare the provider in isthmus.toml"
            )
            yield Problem(path=path, message=message)
        elif not value.isascii() or not value.isprintable() or value != value.strip():
            yield Problem(path=path, message=f"The value of {shown} must be visible ASCII")


@cache
def _described() -> inspect.StructType:
    described = type_of(Settings)
    assert isinstance(described, inspect.StructType)
    return described
