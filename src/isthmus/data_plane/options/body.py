"""What bodies say in place of headers: `options.gateway` of `/ai/run` (data-plane 4.2), and the `config` of a step of
the universal endpoint (7.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from isthmus.core.chat.fidelity import Note
from isthmus.data_plane.options.headers import NO_EFFECT, NOTICES_MAX, Layer, note

CONFIG: Mapping[str, bytes] = {
    "requestTimeout": b"cf-aig-request-timeout",
    "maxAttempts": b"cf-aig-max-attempts",
    "retryDelay": b"cf-aig-retry-delay",
    "backoff": b"cf-aig-backoff",
    "cacheTtl": b"cf-aig-cache-ttl",
    "skipCache": b"cf-aig-skip-cache",
}
CONFIG_SPELLED: Mapping[bytes, str] = {header: f"config.{name}" for name, header in CONFIG.items()}

_GATEWAY: Mapping[str, bytes] = {
    "id": b"cf-aig-gateway-id",
    "skipCache": b"cf-aig-skip-cache",
    "cacheTtl": b"cf-aig-cache-ttl",
    "cacheKey": b"cf-aig-cache-key",
    "collectLog": b"cf-aig-collect-log",
    "metadata": b"cf-aig-metadata",
    "eventId": b"cf-aig-event-id",
    "requestTimeoutMs": b"cf-aig-request-timeout",
}
_RETRIES: Mapping[str, bytes] = {
    "maxAttempts": b"cf-aig-max-attempts",
    "retryDelayMs": b"cf-aig-retry-delay",
    "backoff": b"cf-aig-backoff",
}
UNBUILT_OPTIONS = ("background", "webhookUrl", "webhookFormat", "rejectIfBusy", "byokAlias")
_TEXTS = ("id", "cacheKey", "eventId")  # a number or a list would make one, too
GATEWAY_OPTIONS: Mapping[str, bytes] = {
    **_GATEWAY,
    **{f"retries.{name}": header for name, header in _RETRIES.items()},
}
_SPELLED: Mapping[bytes, str] = {header: f"options.gateway.{name}" for name, header in GATEWAY_OPTIONS.items()}

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_NULL = b"null"
_UNKNOWN = "there is no such option"


def unknown_config(names: Iterable[str]) -> tuple[Note, ...]:
    """What a step's `config` says in vain."""
    unknown = (name for name in names if name not in CONFIG)
    return tuple(note(f"config.{name}", _UNKNOWN) for name in islice(unknown, NOTICES_MAX))


def run_layer(options: bytes) -> Layer:
    """Of the `options` beside `model` and `input`. A text does for a number or a flag, as it has to in a header; null
    says nothing. Raises `DecodeError`, `RecursionError`."""
    reading = _Reading()
    fields = reading.fields("options", options)
    gateway = reading.fields("options.gateway", fields.pop("gateway", _NULL))
    retries = reading.fields("options.gateway.retries", gateway.pop("retries", _NULL))
    reading.headers_of("options.gateway", gateway, _GATEWAY)
    reading.headers_of("options.gateway.retries", retries, _RETRIES)
    for name in fields:
        reading.tell(f"options.{name}", NO_EFFECT if name in UNBUILT_OPTIONS else _UNKNOWN)
    return Layer(reading.headers, _SPELLED, "the header goes before it", tuple(reading.notes))


class _Reading:
    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.notes: list[Note] = []

    def tell(self, path: str, why: str) -> None:
        if len(self.notes) < NOTICES_MAX:
            self.notes.append(note(path, why))

    def fields(self, path: str, raw: bytes) -> dict[str, bytes]:
        """All that are not null."""
        try:
            return {name: value for name, each in _decode_fields(raw).items() if (value := bytes(each)) != _NULL}
        except msgspec.ValidationError:
            if raw != _NULL:
                self.tell(path, "it is no object")
            return {}

    def headers_of(self, path: str, fields: Mapping[str, bytes], known: Mapping[str, bytes]) -> None:
        for name, raw in fields.items():
            if name not in known:
                self.tell(f"{path}.{name}", _UNKNOWN)
            elif raw[:1] == b'"':
                self.headers[known[name]] = _decode_text(raw).encode()
            elif name in _TEXTS:
                self.tell(f"{path}.{name}", "it is no text")
            else:
                self.headers[known[name]] = raw
