"""OpenAI's legacy text completions, as callers and as some providers speak them: one text goes in, and what comes after
it comes out. https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.core.chat.event import Summary
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.openai_chat.errors import read_error, write_error
from isthmus.wire.openai_chat.reader import StreamReader, WholeReader
from isthmus.wire.openai_chat.relay import stream_ended
from isthmus.wire.openai_chat.summary import summarize
from isthmus.wire.openai_completions.reader import decode_chunk, decode_whole
from isthmus.wire.openai_completions.request import read_request, relay_request
from isthmus.wire.openai_completions.upstream import write_request
from isthmus.wire.openai_completions.writer import StreamWriter, WholeWriter
from isthmus.wire.protocol import Reader, Relayed, Writer

SPELLINGS: Mapping[str, str] = MappingProxyType({"choices": "n", "top_logprobs": "logprobs", "messages": "prompt"})


class OpenAICompletions:
    """The dialect. Its errors, and what stands around an answer's text, are those of chat completions."""

    name = "openai_completions"
    keep_alive = b": keep-alive\n\n"
    origin = "openai"
    spellings = SPELLINGS

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: Model) -> Written:
        return write_request(chat, model)

    def relay_request(self, body: Body, model: str) -> Relayed:
        return relay_request(body, model)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return read_error(status, body, retry_after)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return write_error(error)

    def reader(self, whole: bool) -> Reader:
        return WholeReader(decode_whole) if whole else StreamReader(decode_chunk)

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return WholeWriter(chat) if whole else StreamWriter(chat)

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return stream_ended(events)


DIALECT = OpenAICompletions()
