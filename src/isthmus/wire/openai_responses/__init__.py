"""OpenAI's Responses API, as callers and as providers speak it, without the state that OpenAI keeps for it.
https://platform.openai.com/docs/api-reference/responses"""

from __future__ import annotations

import msgspec

from isthmus.core.event import Summary
from isthmus.core.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import errors
from isthmus.wire.openai_responses import summary
from isthmus.wire.openai_responses.reader import StreamReader, WholeReader
from isthmus.wire.openai_responses.request import read_request
from isthmus.wire.openai_responses.upstream import write_request
from isthmus.wire.openai_responses.writer import ResponseWriter
from isthmus.wire.protocol import Dialect, Reader, Relayed, Writer

# Ours in a body, and nobody else's: `gateway` and `options` of data-plane 4.2.
_OURS = ("gateway", "options")


class OpenAIResponses:
    name: str = "openai_responses"
    keep_alive: bytes = b": keep-alive\n\n"

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
        """OpenAI's shape has no place for the request's id: it goes in a header."""
        return errors.write_error(error)

    def reader(self, whole: bool) -> Reader:
        return WholeReader() if whole else StreamReader()

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return ResponseWriter(whole, chat)

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return summary.summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return summary.stream_ended(events)


DIALECT: Dialect = OpenAIResponses()
