"""Cohere's Chat of version 2, as a provider speaks it. https://docs.cohere.com/reference/chat"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from isthmus.core.chat.event import Summary
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.cohere_chat import answer as answers
from isthmus.wire.cohere_chat import errors
from isthmus.wire.cohere_chat.citations import OWN
from isthmus.wire.cohere_chat.reader import StreamReader, WholeReader
from isthmus.wire.cohere_chat.request import OURS, read_request
from isthmus.wire.cohere_chat.upstream import write_request
from isthmus.wire.cohere_chat.writer import StreamWriter, WholeWriter
from isthmus.wire.protocol import Dialect, Reader, Relayed, Writer
from isthmus.wire.sealed import is_marked, without_sealed_ids

_SPELLINGS = {
    "answer_format": "response_format",
    "effort": "thinking",
    "messages.document": "documents",
    "messages.document.citations": "citation_options",
    "messages.image.detail": "messages.content.image_url.detail",
    "messages.reasoning": "messages.content.thinking",
    "stop": "stop_sequences",
    "thinking_budget": "thinking.token_budget",
    "tools.strict": "strict_tools",
    "top_k": "k",
    "top_p": "p",
}


class CohereChat:
    name: str = "cohere_chat"
    keep_alive: bytes = b": keep-alive\n\n"
    origin: str = OWN
    spellings: Mapping[str, str] = MappingProxyType(_SPELLINGS)

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: Model) -> Written:
        return write_request(chat, model)

    def relay_request(self, body: Body, model: str) -> Relayed:
        """Signatures travel in the ids of tool calls alone: Cohere's thinking bears none."""
        if is_marked(body.data):
            body = Body(without_sealed_ids(body.data))
        changes: dict[str, bytes | None] = {name: None for name in OURS if name in body}
        name = msgspec.json.encode(model)
        if "model" not in body or bytes(body.fields["model"]) != name:
            changes["model"] = name
        return Relayed(body=body.changed(changes) if changes else body.data)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return errors.read_error(status, body, retry_after)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return errors.write_error(error, request_id)

    def reader(self, whole: bool) -> Reader:
        return WholeReader() if whole else StreamReader()

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return WholeWriter(chat) if whole else StreamWriter(chat)

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return answers.summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return answers.stream_ended(events)


DIALECT: Dialect = CohereChat()
