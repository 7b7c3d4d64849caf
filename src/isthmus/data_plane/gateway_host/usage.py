"""What a native answer says of its usage, seen while it passes and never held up: nothing here raises."""

from __future__ import annotations

from typing import Protocol

import msgspec

from isthmus.core.call import Call
from isthmus.core.chat.event import Finished, UsageReported
from isthmus.core.chat.usage import Usage
from isthmus.core.reply import Reader
from isthmus.errors import GatewayError
from isthmus.wire.protocol import Dialect

SEEN_MAX_BYTES = 32 * 1024 * 1024
"""Of a whole answer; of a longer one the usage is not known."""


class Watcher(Protocol):
    """`feed` sees every piece; `close` writes down in the call what its row wants to know."""

    def feed(self, piece: bytes) -> None: ...

    def close(self) -> None: ...


class _Collected:
    """Keeps a whole answer, up to the bound."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= SEEN_MAX_BYTES:
            self._parts.append(piece)
        else:
            self._parts.clear()

    def _answer(self) -> bytes:
        answer = b"".join(self._parts) if self._size <= SEEN_MAX_BYTES else b""
        self._parts.clear()
        return answer


class ChatWatcher(_Collected):
    """A whole answer; or Gemini's stream that was not asked for as events, an array of them."""

    def __init__(self, call: Call, dialect: Dialect) -> None:
        super().__init__(call)
        self._dialect = dialect

    def close(self) -> None:
        answer = self._answer()
        for each in _listed(answer) or [answer]:
            summary = self._dialect.summarize(each, True)
            self._call.usage = summary.usage or self._call.usage
            self._call.finish_reason = summary.finish_reason or self._call.finish_reason


class FramesWatcher:
    """A stream that is no stream of server-sent events (Bedrock's), read beside its passing."""

    def __init__(self, call: Call, dialect: Dialect) -> None:
        self._call = call
        self._reader: Reader | None = dialect.reader(False)

    def feed(self, piece: bytes) -> None:
        if self._reader is None:
            return
        try:
            for event in self._reader.feed(piece):
                if isinstance(event, UsageReported):
                    self._call.usage = event.usage
                elif isinstance(event, Finished):
                    self._call.finish_reason = event.reason
        except GatewayError:
            self._reader = None

    def close(self) -> None:
        """What there was to know has been written down."""


class VectorsWatcher(_Collected):
    """Only the count is decoded, none of the vectors."""

    def close(self) -> None:
        try:
            counts = _decode_counts(self._answer())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        tokens = counts.usage.prompt_tokens or counts.meta.billed_units.input_tokens or counts.input_text_token_count
        if tokens is not None:
            self._call.usage = Usage(input_tokens=int(tokens), output_tokens=0)


class _OpenAI(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None


class _Billed(msgspec.Struct, frozen=True):
    input_tokens: float | None = None


class _Cohere(msgspec.Struct, frozen=True):
    billed_units: _Billed = _Billed()


class _Counts(msgspec.Struct, frozen=True):
    usage: _OpenAI = _OpenAI()
    meta: _Cohere = _Cohere()
    input_text_token_count: int | None = msgspec.field(name="inputTextTokenCount", default=None)  # Titan's


_decode_counts = msgspec.json.Decoder(_Counts).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _listed(answer: bytes) -> list[bytes]:
    if not answer[:64].lstrip().startswith(b"["):
        return []
    try:
        return [bytes(each) for each in _decode_list(answer)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
