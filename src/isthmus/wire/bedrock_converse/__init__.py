"""Amazon Bedrock's Converse. The model and whether to stream are in its path, not in its body.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.core.chat.event import Summary
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.bedrock_converse import errors, summary
from isthmus.wire.bedrock_converse.parts.signatures import OWN
from isthmus.wire.bedrock_converse.reader import StreamReader, WholeReader
from isthmus.wire.bedrock_converse.request import read_request, relay_request
from isthmus.wire.bedrock_converse.upstream import write_request
from isthmus.wire.bedrock_converse.writer import StreamWriter, WholeWriter
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect, Reader, Relayed, Writer


class BedrockConverse:
    name: str = "bedrock_converse"
    keep_alive: bytes = b""  # an event stream has nothing that says nothing
    origin: str = OWN
    spellings: Mapping[str, str] = MappingProxyType(
        {
            "max_tokens": "inferenceConfig.maxTokens",
            "temperature": "inferenceConfig.temperature",
            "top_p": "inferenceConfig.topP",
            "stop": "inferenceConfig.stopSequences",
            "top_k": "additionalModelRequestFields.top_k",
            "effort": "outputConfig.effort",
            "thinking_budget": "additionalModelRequestFields.thinking.budget_tokens",
            "summary": "additionalModelRequestFields.thinking.display",
            "answer_format": "outputConfig.textFormat",
            "answer_format.description": "outputConfig.textFormat.structure.jsonSchema.description",
            "parallel_tool_calls": "additionalModelRequestFields.tool_choice.disable_parallel_tool_use",
            "tools": "toolConfig.tools",
            "tool_choice": "toolConfig.toolChoice",
            "cache": "cachePoint",
            "cache_control": "cachePoint",
            "service_tier": "serviceTier",
            "metadata": "requestMetadata",
            "user": "requestMetadata.user_id",
            "messages.reasoning": "messages.reasoningContent",
            "messages.tool_calls": "messages.toolUse",
            "messages.citations": "messages.citationsContent",
        }
    )

    def read_request(self, body: Body) -> Chat:
        return read_request(body)

    def write_request(self, chat: Chat, model: Model) -> Written:
        return write_request(chat, model)

    def relay_request(self, body: Body, model: str) -> Relayed:
        return relay_request(body)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return errors.read_error(status, body, retry_after)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return errors.write_error(error)

    def reader(self, whole: bool) -> Reader:
        return WholeReader() if whole else StreamReader()

    def writer(self, whole: bool, chat: Chat) -> Writer:
        return WholeWriter() if whole else StreamWriter()

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        return summary.summarize(answer, whole)

    def stream_ended(self, events: bytes) -> bool:
        return summary.stream_ended(events)


DIALECT: Dialect = BedrockConverse()
