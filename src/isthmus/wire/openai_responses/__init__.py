"""OpenAI's Responses API, as callers and as providers speak it, without the state that OpenAI keeps for it.
https://platform.openai.com/docs/api-reference/responses"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.core.chat.event import Summary
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import errors
from isthmus.wire.openai_responses import relay
from isthmus.wire.openai_responses.opaque import ORIGIN
from isthmus.wire.openai_responses.reader import StreamReader, WholeReader
from isthmus.wire.openai_responses.request import read_request
from isthmus.wire.openai_responses.upstream import write_request
from isthmus.wire.openai_responses.writer import ResponseWriter
from isthmus.wire.protocol import Dialect, Reader, Relayed, Writer

_SPELLINGS = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "effort": "reasoning.effort",
    "thinking_budget": "reasoning.effort",
    "summary": "reasoning.summary",
    "keep_reasoning": "include",
    "logprobs": "include",
    "answer_format": "text.format",
    "verbosity": "text.verbosity",
    "cache_control": "prompt_cache_breakpoint",
    "cache_key": "prompt_cache_key",
    "cache_retention": "prompt_cache_retention",
    "tools.web_search.max_uses": "max_tool_calls",
    "tools.web_search.allowed_domains": "tools.filters.allowed_domains",
    "tools.web_search.blocked_domains": "tools.filters.blocked_domains",
    "tools.web_search.location": "tools.user_location",
    "tools.web_search.context_size": "tools.search_context_size",
}


class OpenAIResponses:
    name: str = "openai_responses"
    keep_alive: bytes = b": keep-alive\n\n"
    origin: str = ORIGIN
    spellings: Mapping[str, str] = MappingProxyType(_SPELLINGS)

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: Model) -> Written:
        return write_request(chat, model)

    def relay_request(self, body: Body, model: str) -> Relayed:
        return relay.relay_request(body, model)

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
        return relay.summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return relay.stream_ended(events)


DIALECT: Dialect = OpenAIResponses()
