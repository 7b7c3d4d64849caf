"""OpenAI Chat Completions, as callers and as compatible providers speak it (data-plane 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.core.chat.event import Summary
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.openai_chat.errors import read_error, write_error
from isthmus.wire.openai_chat.options import COMPATIBLE, DEEPSEEK, MISTRAL, OPENAI, OPENROUTER, Options
from isthmus.wire.openai_chat.reader import StreamReader, WholeReader
from isthmus.wire.openai_chat.relay import relay_request, stream_ended
from isthmus.wire.openai_chat.request import read_request
from isthmus.wire.openai_chat.summary import summarize
from isthmus.wire.openai_chat.upstream import write_request
from isthmus.wire.openai_chat.whole_writer import WholeWriter
from isthmus.wire.openai_chat.writer import StreamWriter
from isthmus.wire.protocol import Reader, Relayed, Writer

SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "choices": "n",
        "effort": "reasoning_effort",
        "thinking_budget": "reasoning_effort",
        "answer_format": "response_format",
        "cache": "cache_control",
        "cache_key": "prompt_cache_key",
        "cache_retention": "prompt_cache_retention",
        "max_tokens": "max_completion_tokens",
        "tools.web_search": "web_search_options",
        "messages.reasoning": "messages.reasoning_content",
    }
)


class OpenAIChat:
    """The dialect. Values with other `options` speak to other providers; the dialect is the same, and is relayed."""

    name = "openai_chat"
    keep_alive = b": keep-alive\n\n"
    origin = "openai"
    spellings = SPELLINGS

    def __init__(self, options: Options) -> None:
        self._options = options

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: Model) -> Written:
        return write_request(chat, model, self._options)

    def relay_request(self, body: Body, model: str) -> Relayed:
        return relay_request(body, model, self._options)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return read_error(status, body, retry_after)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return write_error(error)

    def reader(self, whole: bool) -> Reader:
        return WholeReader() if whole else StreamReader()

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return WholeWriter(chat) if whole else StreamWriter(chat)

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return stream_ended(events)


OPENAI_CHAT = OpenAIChat(OPENAI)
OPENAI_CHAT_COMPATIBLE = OpenAIChat(COMPATIBLE)
OPENROUTER_CHAT = OpenAIChat(OPENROUTER)
DEEPSEEK_CHAT = OpenAIChat(DEEPSEEK)
MISTRAL_CHAT = OpenAIChat(MISTRAL)
