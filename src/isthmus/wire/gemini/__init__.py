"""Google's generateContent and streamGenerateContent, as callers and as providers (AI Studio, Vertex AI) speak it.
https://ai.google.dev/api/generate-content"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.core.chat.event import Summary
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.gemini import errors, signatures
from isthmus.wire.gemini.answer import summarize
from isthmus.wire.gemini.proto_json import OURS
from isthmus.wire.gemini.reader import StreamReader, WholeReader
from isthmus.wire.gemini.request import read_request
from isthmus.wire.gemini.upstream import write_request
from isthmus.wire.gemini.writer import StreamWriter, WholeWriter
from isthmus.wire.protocol import Dialect, Reader, Relayed, Writer

# Google has these in the path: its bodies hold them only where a caller means us.
_IN_THE_PATH = ("model", "stream")

_SPELLINGS = {
    "answer_format": "generationConfig.responseJsonSchema",
    "choices": "generationConfig.candidateCount",
    "effort": "generationConfig.thinkingConfig.thinkingLevel",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "logprobs": "generationConfig.responseLogprobs",
    "max_tokens": "generationConfig.maxOutputTokens",
    "messages": "contents",
    "messages.image.detail": "generationConfig.mediaResolution",
    "messages.reasoning": "contents.parts.thought",
    "messages.system": "systemInstruction",
    "messages.tool_calls": "contents.parts.functionCall",
    "messages.tool_result": "contents.parts.functionResponse",
    "metadata": "labels",
    "presence_penalty": "generationConfig.presencePenalty",
    "seed": "generationConfig.seed",
    "service_tier": "serviceTier",
    "stop": "generationConfig.stopSequences",
    "summary": "generationConfig.thinkingConfig.includeThoughts",
    "temperature": "generationConfig.temperature",
    "thinking_budget": "generationConfig.thinkingConfig.thinkingBudget",
    "tool_choice": "toolConfig.functionCallingConfig",
    "tools.web_search": "tools.googleSearch",
    "top_k": "generationConfig.topK",
    "top_logprobs": "generationConfig.logprobs",
    "top_p": "generationConfig.topP",
}


class Gemini:
    name: str = "gemini"
    # Blank lines, which end no event: Google's Python SDK takes a comment for a broken answer.
    keep_alive: bytes = b"\n\n"
    origin: str = signatures.OWN
    spellings: Mapping[str, str] = MappingProxyType(_SPELLINGS)

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: Model) -> Written:
        return write_request(chat, model)

    def relay_request(self, body: Body, model: str) -> Relayed:
        changes: dict[str, bytes | None] = {name: None for name in (*OURS, *_IN_THE_PATH) if name in body}
        changes |= signatures.opened(body)
        return Relayed(body=body.changed(changes) if changes else body.data)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return errors.read_error(status, body, retry_after)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return errors.write_error(error)

    def reader(self, whole: bool) -> Reader:
        return WholeReader() if whole else StreamReader()

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return WholeWriter(chat) if whole else StreamWriter(chat)

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        """Never by an event: such a stream ends with its connection, and a finish reason may come with every chunk."""
        return False


DIALECT: Dialect = Gemini()
