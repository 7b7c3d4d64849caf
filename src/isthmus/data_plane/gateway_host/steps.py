"""The body of the universal endpoint (data-plane 7.3): what is to be tried, one thing after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Note
from isthmus.data_plane.gateway_host.address import check_path, check_query
from isthmus.data_plane.options.body import CONFIG, unknown_config
from isthmus.errors import GatewayError, InvalidRequest
from isthmus.wire.body import Body

STEPS_MAX = 20
HEADERS_MAX = 100
HEADERS_MAX_BYTES = 64 * 1024
INVALID_PROVIDER = 2008

_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_PROVIDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,71}\Z")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|//")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}\Z")  # RFC 9110, 5.6.2
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `rest`: the path below the provider, no slash in front, and `query` what stood behind its question
    mark; both as the caller spelled them. `lines`: the provider's headers, names in lower case, and this step's own
    `cf-aig-*` among them. `config`: its settings, as headers that go before those; `unread`: what else stands there.
    `body`: byte for byte as it stood in the array."""

    provider: str
    rest: str
    query: bytes
    lines: tuple[tuple[bytes, bytes], ...]
    config: Mapping[bytes, bytes]
    unread: tuple[Note, ...]
    body: bytes


def read_steps(data: bytes) -> tuple[Step, ...]:
    """Raises `InvalidRequest`, which names the step by its index from 0."""
    if data.lstrip(b" \t\n\r")[:1] == b"{":
        return (_step(0, data),)
    try:
        data.isascii() or data.decode()
        steps = _decode_array(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("The body must be JSON: an array of steps, or one step.") from None
    if not 1 <= len(steps) <= STEPS_MAX:
        raise InvalidRequest(f"There must be between 1 and {STEPS_MAX} steps.", code=7001)
    return tuple(_step(index, bytes(step)) for index, step in enumerate(steps))


def unknown_provider(index: int, provider: str) -> InvalidRequest:
    message = f"Invalid provider: step {index} names {provider[:72]!r}, and there is none of that name."
    return InvalidRequest(message, code=INVALID_PROVIDER, param=f"{index}.provider")


def _step(index: int, data: bytes) -> Step:
    try:
        return _read(index, Body(data))
    except GatewayError as error:
        if error.code != INVALID_PROVIDER:
            error.message = f"Step {index}: {error.message}"
        raise


def _read(index: int, body: Body) -> Step:
    provider = _text(body, "provider")
    if not _PROVIDER.match(provider):
        raise unknown_provider(index, provider)
    rest, query = _endpoint(_text(body, "endpoint"))
    asked = body.fields.get("query")
    if asked is None or bytes(memoryview(asked)[:1]) != b"{":
        raise _wrong("query", "must be the body for the provider, an object")
    config = _inner(body, "config")
    return Step(
        provider=provider.lower(),
        rest=rest,
        query=query,
        lines=_lines(_inner(body, "headers")),
        config=_config(config),
        unread=() if config is None else unknown_config(config.fields),
        body=bytes(asked),
    )


def _wrong(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"`{name}` {what}.", code=7001, param=name)


def _text(body: Body, name: str) -> str:
    value = body.value(name)
    if not isinstance(value, str) or not value:
        raise _wrong(name, "is required" if value is None else "must be a text that is not empty")
    return value


def _inner(body: Body, name: str) -> Body | None:
    """An object within; None where it is left out."""
    raw = body.fields.get(name)
    if raw is None or bytes(raw) == b"null":
        return None
    if bytes(memoryview(raw)[:1]) != b"{":
        raise _wrong(name, "must be an object")
    return Body(bytes(raw))


def _endpoint(endpoint: str) -> tuple[str, bytes]:
    """The path and the query string, below the provider's address and nowhere else."""
    if _ADDRESS.match(endpoint):
        raise _wrong("endpoint", "is an address of its own: give the path below the provider's alone")
    path, _, query = endpoint.removeprefix("/").partition("?")
    check_path(path)
    asked = query.encode("utf-8", "replace")
    check_query(asked)
    return path, asked


def _lines(headers: Body | None) -> tuple[tuple[bytes, bytes], ...]:
    """Values may be numbers, true and false, and objects (`cf-aig-metadata`), as they are in Workers' types."""
    if headers is None:
        return ()
    lines: dict[bytes, bytes] = {}
    size = 0
    for name in headers.fields:
        value = headers.value(name)
        if value is None:
            continue
        line = _as_text(value, bytes(headers.fields[name]))
        if line is None or not _TOKEN.match(name) or _UNSENDABLE.search(line):
            raise _wrong("headers", "must hold headers that can be sent, each a name and a text")
        key = name.lower().encode()
        if key in lines:
            raise _wrong("headers", f"holds {name[:64]!r} more than once")
        lines[key] = line.strip().encode()
        size += len(key) + len(lines[key])
    if len(lines) > HEADERS_MAX or size > HEADERS_MAX_BYTES:
        raise _wrong("headers", f"holds more than {HEADERS_MAX} headers or {HEADERS_MAX_BYTES} bytes")
    return tuple(lines.items())


def _config(config: Body | None) -> Mapping[bytes, bytes]:
    """A wrong value counts as none, and is told of, as in a header (data-plane 6.1)."""
    if config is None:
        return {}
    found: dict[bytes, bytes] = {}
    for name, header in CONFIG.items():
        value = config.value(name)
        if value is not None:
            found[header] = value.encode() if isinstance(value, str) else bytes(config.fields[name])
    return found


def _as_text(value: Any, raw: bytes) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return None if isinstance(value, list) else raw.decode()
