"""An answer as a caller is shown it whose state is kept here: as OpenAI's own, which knows of no gateway. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from isthmus.errors import InvalidRequest
from isthmus.wire.body import Body

_BETWEEN_EVENTS = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")
_DATA = re.compile(rb"^data:[ ]?([^\r\n]*)", re.MULTILINE)
_ENDED = frozenset(("completed", "incomplete", "failed", "cancelled"))
_THINKING = b'"encrypted_content"'

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class ResponseView:
    """Puts `changes` (fields of the response object, JSON) into every response object of an answer, all other bytes as
    they are. `hides_thinking`: encrypted thinking was asked for by us and not by the caller. `response` is the last
    response object so far, with the thinking in it."""

    __slots__ = ("_hides", "changes", "response")

    def __init__(self, changes: Mapping[str, bytes], *, hides_thinking: bool) -> None:
        self.changes: dict[str, bytes | None] = dict(changes)
        self._hides = hides_thinking
        self.response: bytes | None = None

    def stream(self, events: bytes) -> bytes:
        """Of whole events."""
        if b'"response":' not in events and not (self._hides and _THINKING in events):
            return events
        return b"".join([self._event(event) for event in _BETWEEN_EVENTS.split(events)])

    def whole(self, body: bytes) -> bytes:
        try:
            return self._response(body)
        except InvalidRequest:
            return body

    def visible(self, response: bytes) -> bytes:
        """The response object without what the caller did not ask for."""
        return _without_thinking(response) if self._hides and _THINKING in response else response

    def _event(self, event: bytes) -> bytes:
        found = _DATA.search(event)
        if found is None:
            return event
        try:
            data = self._payload(Body(found[1]))
        except InvalidRequest:  # no JSON object that can be read in one way: it is the provider's, as it is
            return event
        return event[: found.start(1)] + data + event[found.end(1) :]

    def _payload(self, body: Body) -> bytes:
        changes: dict[str, bytes | None] = {}
        response, item = body.fields.get("response"), body.fields.get("item")
        if response is not None and bytes(response)[:1] == b"{":
            changes["response"] = self._response(bytes(response))
        if item is not None and self._hides and _THINKING in bytes(item):
            changes["item"] = _hidden(bytes(item))
        return body.changed(changes) if changes else body.data

    def _response(self, raw: bytes) -> bytes:
        self.response = Body(raw).changed(self.changes)
        return self.visible(self.response)


class _Numbered(msgspec.Struct, frozen=True):
    type: str = ""
    sequence_number: int = -1

    def follows(self, number: int) -> bool:
        """Errors that we put behind what a provider broke off begin to count anew."""
        return self.sequence_number > number or (self.type == "error" and self.sequence_number == 0)


_decode_number = msgspec.json.Decoder(_Numbered).decode


def events_after(events: bytes, number: int) -> bytes:
    """What follows the event of this number. What has no number (a keep-alive) goes along behind those that have."""
    pieces = _BETWEEN_EVENTS.split(events)
    for index, event in enumerate(pieces):
        found = _DATA.search(event)
        try:
            numbered = _Numbered() if found is None else _decode_number(found[1])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            numbered = _Numbered()
        if numbered.follows(number):
            return b"".join(pieces[index:])
    return b""


def status_of(response: bytes) -> str:
    try:
        status = Body(response).value("status")
    except InvalidRequest:
        return ""
    return status if isinstance(status, str) else ""


def has_ended(response: bytes) -> bool:
    return status_of(response) in _ENDED


def _without_thinking(response: bytes) -> bytes:
    body = Body(response)
    output = body.fields.get("output")
    if output is None or _THINKING not in bytes(output):
        return response
    try:
        items = [_hidden(bytes(item)) for item in _decode_list(output)]
    except (msgspec.DecodeError, RecursionError):
        return response
    return body.changed({"output": b"[%b]" % b",".join(items)})


def _hidden(item: bytes) -> bytes:
    body = Body(item)
    if body.value("type") != "reasoning" or "encrypted_content" not in body:
        return item
    return body.changed({"encrypted_content": None})
