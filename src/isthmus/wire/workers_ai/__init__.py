"""Cloudflare's native form of text generation: `/ai/run/@cf/…` for callers, and platform models as providers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.core.chat.event import Summary
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.openai_chat.reader import StreamReader, WholeReader
from isthmus.wire.openai_chat.relay import stream_ended
from isthmus.wire.protocol import Reader, Relayed, Writer
from isthmus.wire.workers_ai.errors import read_error, write_error
from isthmus.wire.workers_ai.reader import decode_chunk, decode_whole
from isthmus.wire.workers_ai.request import read_request, relay_request, write_request
from isthmus.wire.workers_ai.summary import summarize
from isthmus.wire.workers_ai.writer import StreamWriter, WholeWriter

SPELLINGS: Mapping[str, str] = MappingProxyType({"answer_format": "response_format"})


class WorkersAI:
    """The dialect. Its answers are the bare `result`: the envelope around it is the data plane's."""

    name = "workers_ai"
    keep_alive = b": keep-alive\n\n"
    origin = "cloudflare"
    spellings = SPELLINGS

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: Model) -> Written:
        return write_request(chat, model)

    def relay_request(self, body: Body, model: str) -> Relayed:
        return relay_request(body)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return read_error(status, body, retry_after)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return write_error(error)

    def reader(self, whole: bool) -> Reader:
        return WholeReader(decode_whole) if whole else StreamReader(decode_chunk)

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return WholeWriter(as_object=chat.answer_format is not None) if whole else StreamWriter()

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return stream_ended(events)


WORKERS_AI = WorkersAI()
