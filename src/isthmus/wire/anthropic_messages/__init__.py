"""Anthropic's Messages API, as callers and as providers speak it. https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

import msgspec

from isthmus.core.event import Summary
from isthmus.core.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.anthropic_messages import errors, summary
from isthmus.wire.anthropic_messages.reader import StreamReader, WholeReader
from isthmus.wire.anthropic_messages.request import read_request
from isthmus.wire.anthropic_messages.upstream import write_request
from isthmus.wire.anthropic_messages.writer import StreamWriter, WholeWriter
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect, Reader, Relayed, Writer

# Ours in a body, and nobody else's: `gateway` and `options` of data-plane 4.2.
_OURS = ("gateway", "options")


class AnthropicMessages:
    name: str = "anthropic_messages"
    keep_alive: bytes = b'event: ping\ndata: {"type":"ping"}\n\n'

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: str) -> Written:
        return write_request(chat, model)

    def relay_request(self, body: Body, model: str) -> Relayed:
        changes: dict[str, bytes | None] = {"model": msgspec.json.encode(model)}
        changes |= {name: None for name in _OURS if name in body}
        return Relayed(body=body.changed(changes))

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return errors.read_error(status, body, retry_after)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return errors.write_error(error, request_id)

    def reader(self, whole: bool) -> Reader:
        return WholeReader() if whole else StreamReader()

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return WholeWriter() if whole else StreamWriter()

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return summary.summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return summary.stream_ended(events)


DIALECT: Dialect = AnthropicMessages()
