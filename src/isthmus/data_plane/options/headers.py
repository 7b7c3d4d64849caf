"""The table of the caller's `cf-aig-*` headers, and their one reading (data-plane 6). What is malformed counts as
absent; that, and whatever was bent to fit, is told in `CallOptions.notices`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from isthmus.core.call import NO_OPTIONS, Call, CallOptions
from isthmus.core.chat.fidelity import Note
from isthmus.data_plane.options import values
from isthmus.data_plane.options.metadata import metadata

NOTICES_MAX = 20
NAME_MAX_CHARACTERS = 64

Reader = Callable[[bytes], object]

# The field of `CallOptions` that a header sets.
HEADERS: Mapping[bytes, tuple[str, Reader]] = {
    b"cf-aig-gateway-id": ("gateway_id", values.gateway_id),
    b"cf-aig-event-id": ("event_id", values.event_id),
    b"cf-aig-collect-log": ("collect_log", values.flag),
    b"cf-aig-collect-log-payload": ("collect_log_payload", values.flag),
    b"cf-aig-metadata": ("metadata_values", metadata),
    b"cf-aig-cache-ttl": ("cache_ttl", values.cache_ttl),
    b"cf-aig-cache-key": ("cache_key", values.cache_key),
    b"cf-aig-skip-cache": ("skip_cache", values.flag),
    b"cf-aig-request-timeout": ("request_timeout_seconds", values.request_timeout),
    b"cf-aig-max-attempts": ("max_attempts", values.max_attempts),
    b"cf-aig-retry-delay": ("retry_delay_seconds", values.retry_delay),
    b"cf-aig-backoff": ("backoff", values.backoff),
    b"cf-aig-fidelity": ("strict_fidelity", values.strict),
    b"cf-aig-resumable": ("resumable", values.flag),
}
ALIASES: Mapping[bytes, bytes] = {
    b"cf-cache-ttl": b"cf-aig-cache-ttl",
    b"cf-skip-cache": b"cf-aig-skip-cache",
}
"""Older names: the newer one goes before it."""

UNBUILT = frozenset(
    (
        b"cf-aig-custom-cost",
        b"cf-aig-byok-alias",
        b"cf-aig-no-wholesale",
        b"cf-aig-zdr",
        b"cf-aig-otel-trace-id",
        b"cf-aig-otel-parent-span-id",
    )
)
_OTHERS = b"cf-aig-authorization"
"""Who calls: read by `policies/admit.py`."""

NO_EFFECT = "it has no effect yet"
_UNKNOWN = "there is no such header"
_NEWER = "its newer name goes before it"
_NO_CACHE = "the cache-ttl of 0 leaves the cache out"
_NO_ROW = "without collect-log there is no row"


class Layer(msgspec.Struct, frozen=True):
    """What one place says, as headers. `spelled`: what a header is called there, if not by its name. `outdone`: the
    reason that is told where a place before this one says otherwise; empty: that is as it should be. `notes`: of what
    could not be said as headers."""

    headers: Mapping[bytes, bytes]
    spelled: Mapping[bytes, str] = {}
    outdone: str = ""
    notes: tuple[Note, ...] = ()


def read_options(headers: Mapping[bytes, bytes]) -> CallOptions:
    # On every call: a generator would cost three times as much as a loop, and a slice twice as much as a comparison.
    for name in headers:
        if b"cf-" < name < b"cf." and (name[:7] == b"cf-aig-" or name in ALIASES):
            found = _Found()
            found.read(headers, {}, "")
            return found.options()
    return NO_OPTIONS


def read_layers(*layers: Layer) -> CallOptions:
    """Field by field the first layer that says something sound has the word (data-plane 6.1)."""
    found = _Found()
    for layer in layers:
        found.read(layer.headers, layer.spelled, layer.outdone)
        found.unread += layer.notes
    return found.options()


def set_options(call: Call, options: CallOptions) -> None:
    call.options = options
    call.event_id = options.event_id or call.id


def note(name: str, why: str) -> Note:
    return Note(field=name[:NAME_MAX_CHARACTERS], fate="ignored", why=why)


class _Found:
    """What has been said so far. `names`: how each field was called. `unread`: names that set none; they are told last,
    since anybody can make up as many as a head has room for."""

    __slots__ = ("fields", "names", "notes", "unread")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.names: dict[str, str | bytes] = {}
        self.notes: list[Note] = []
        self.unread: list[Note] = []

    def read(self, headers: Mapping[bytes, bytes], spelled: Mapping[bytes, str], outdone: str) -> None:
        older = False
        for name, value in headers.items():
            if not b"cf-" < name < b"cf.":
                continue
            known = HEADERS.get(name)
            if known is not None:
                self._take(known, value, spelled.get(name, name), outdone)
            elif name in ALIASES:
                older = True
            elif name[:7] == b"cf-aig-" and name != _OTHERS and len(self.unread) < NOTICES_MAX:
                self.unread.append(note(_text(name), NO_EFFECT if name in UNBUILT else _UNKNOWN))
        if older:
            for name, newer in ALIASES.items():
                if name in headers:
                    self._take(HEADERS[newer], headers[name], name, _NEWER if newer in headers else outdone)

    def _take(self, known: tuple[str, Reader], value: bytes, name: str | bytes, outdone: str) -> None:
        field, read = known
        meant = read(value)
        if type(meant) is values.Odd:
            self.notes += [Note(field=_text(name), fate=fate, why=why) for fate, why in meant.told]
            meant = meant.value
            if meant is None:
                return
        if field not in self.fields:
            self.fields[field] = meant
            self.names[field] = name
        elif outdone and self.fields[field] != meant:
            self.notes.append(note(_text(name), outdone))

    def options(self) -> CallOptions:
        fields = self.fields
        if "cache_ttl" in fields or "collect_log" in fields:
            self._tell_contradictions()
        if fields.get("metadata_values"):
            fields["metadata"] = msgspec.json.encode(fields["metadata_values"]).decode()
        if self.notes or self.unread:
            fields["notices"] = (*self.notes, *self.unread)[:NOTICES_MAX]
        return CallOptions(**fields) if fields else NO_OPTIONS

    def _tell_contradictions(self) -> None:
        """A ttl of 0 is stronger than a key and than skipping; no row is stronger than what it would hold. Skipping
        with a key is no contradiction: nothing is read, and the new answer is kept."""
        fields, names = self.fields, self.names
        if fields.get("cache_ttl") == 0:
            idle = [each for each in ("cache_key", "skip_cache") if fields.get(each)]
            self.notes += [note(_text(names[each]), _NO_CACHE) for each in idle]
        if fields.get("collect_log") is False and fields.get("collect_log_payload"):
            self.notes.append(note(_text(names["collect_log_payload"]), _NO_ROW))


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("latin-1")
