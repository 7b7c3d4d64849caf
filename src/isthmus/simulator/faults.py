"""How one request shall be answered other than plainly: a `Fault`, given in process or written in the request itself
as a directive, `[[sim: fault=429 retry_after=7]]`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

Kind = Literal[
    "reset",
    "close",
    "empty_body",
    "malformed_json",
    "wrong_content_type",
    "truncated",
    "not_streamed",
    "out_of_credit",
    "refusal",
    "content_filter",
]
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 424, 429, 498, 500, 502, 503, 504, 529)
MAX_EVENTS = 100_000
MAX_EVENT_BYTES = 4 * 1024 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_DIRECTIVE = re.compile(r"\s*\[\[sim:([^\]]*)\]\]\s*")
_ALIASES = {"slow_first_byte": "slow_first_byte_ms", "error_event": "error_event_after"}

_Count = Annotated[int, Meta(ge=0, le=MAX_EVENTS)]
_Millis = Annotated[int, Meta(ge=0, le=3_600_000)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts are of whole events sent before it happens; of a stream that is shorter, its last event. An answer that
    is not streamed counts as two events, its two halves, and has the error itself for an error event.

    `kind` is one of
    - `reset`, `close`: the connection is reset, or closed, before any byte of the answer
    - `empty_body`: a 200 with nothing in it
    - `malformed_json`: a whole answer, or one event in the middle of a stream, that is no JSON
    - `wrong_content_type`: a 200 with a page of HTML
    - `truncated`: closed before what Content-Length or the last chunk promised
    - `not_streamed`: a whole answer though a stream was asked for
    - `out_of_credit`: the provider's own error for an empty purse
    - `refusal`, `content_filter`: the model, or the provider's filter, declines: a sound answer, seldom seen

    `finish_reason` is an end of the answer, `block_reason` a prompt that is not answered at all, in the provider's own
    words, where it has words for what nothing else leads to; `citations` is how many sources it says that it quotes.
    """

    kind: Kind | None = None
    status: int | None = None
    retry_after: Annotated[int, Meta(ge=0)] | None = None
    slow_first_byte_ms: _Millis = 0
    delay_ms: _Millis = 0
    stall_after: _Count | None = None
    cut_after: _Count | None = None
    reset_after: _Count | None = None
    end_after: _Count | None = None
    error_event_after: _Count | None = None
    events: Annotated[int, Meta(ge=1, le=MAX_EVENTS)] | None = None
    event_bytes: Annotated[int, Meta(ge=1, le=MAX_EVENT_BYTES)] | None = None
    tokens: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    chunk_bytes: Annotated[int, Meta(ge=1)] | None = None
    finish_reason: str | None = None
    block_reason: str | None = None
    citations: Annotated[int, Meta(ge=0, le=100)] = 0

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in get_args(Kind):
            raise ValueError(f"kind={self.kind}: known are {', '.join(get_args(Kind))}")
        if self.status is not None and self.status not in STATUSES:
            raise ValueError(f"status={self.status}: known are {', '.join(map(str, STATUSES))}")
        if self.event_bytes and (self.events or 1) * self.event_bytes > MAX_ANSWER_BYTES:
            raise ValueError(f"events times event_bytes is over {MAX_ANSWER_BYTES}")


PLAIN = Fault()


class UnknownDirective(ValueError):
    """A directive that says something this simulator does not know."""


def read_text(text: str) -> tuple[str, Fault | None]:
    """The text without its directives, and what they ask for; None if it has none."""
    found = _DIRECTIVE.findall(text)
    if not found:
        return text, None
    return _DIRECTIVE.sub("", text), read_directive(" ".join(found))


def read_directive(directive: str) -> Fault:
    """`events=64 delay_ms=5`, `fault=429`, `fault=reset`: names and values of `Fault`, between blanks."""
    fields: dict[str, Any] = {}
    for word in directive.split():
        name, equals, value = word.partition("=")
        name = _ALIASES.get(name, name)
        if name == "fault":
            name = "status" if value.isdigit() else "kind"
        elif not equals and name in get_args(Kind):
            name, value = "kind", name
        if name not in Fault.__struct_fields__ or not value:
            raise UnknownDirective(f"Unknown simulator directive: '{word}'.")
        fields[name] = value
    try:
        return msgspec.convert(fields, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise UnknownDirective(f"Unknown simulator directive: '{directive.strip()}': {error}") from error
