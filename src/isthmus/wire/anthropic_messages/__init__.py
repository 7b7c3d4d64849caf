"""Anthropic's Messages API, as callers and as providers speak it. https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.core.chat.event import Summary
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.anthropic_messages import errors, summary
from isthmus.wire.anthropic_messages.parts.signatures import OWN
from isthmus.wire.anthropic_messages.reader import StreamReader, WholeReader
from isthmus.wire.anthropic_messages.relay import relay_request
from isthmus.wire.anthropic_messages.request import read_request
from isthmus.wire.anthropic_messages.upstream import write_request
from isthmus.wire.anthropic_messages.whole_writer import WholeWriter
from isthmus.wire.anthropic_messages.writer import StreamWriter
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect, Reader, Relayed, Writer


class AnthropicMessages:
    name: str = "anthropic_messages"
    keep_alive: bytes = b'event: ping\ndata: {"type":"ping"}\n\n'
    origin: str = OWN
    spellings: Mapping[str, str] = MappingProxyType(
        {
            "stop": "stop_sequences",
            "effort": "output_config.effort",
            "thinking_budget": "thinking.budget_tokens",
            "summary": "thinking.display",
            "user": "metadata.user_id",
            "answer_format": "output_config.format",
            "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
            "cache": "cache_control",
            "messages.reasoning": "messages.thinking",
            "messages.tool_calls": "messages.tool_use",
            "messages.hosted_tool_use": "messages.server_tool_use",
            "messages.document.name": "messages.document.title",
        }
    )

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: Model) -> Written:
        return write_request(chat, model)

    def relay_request(self, body: Body, model: str) -> Relayed:
        return relay_request(body, model)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return errors.read_error(status, body, retry_after)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return errors.write_error(error, request_id)

    def reader(self, whole: bool) -> Reader:
        return WholeReader() if whole else StreamReader()

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return WholeWriter(chat) if whole else StreamWriter(chat)

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return summary.summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return summary.stream_ended(events)


DIALECT: Dialect = AnthropicMessages()
