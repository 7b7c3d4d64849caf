"""Asks a provider how many tokens a request has, in the dialects whose vendors count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.data_plane.outbound.prepare import WRAPPED, Preparation
from isthmus.data_plane.outbound.sender import Sender
from isthmus.errors import Malformed, Rejected
from isthmus.wire.body import Body
from isthmus.wire.framing.whole import WholeBody

Fields = dict[str, Any]


def _messages(asked: Fields, model: str) -> Fields:
    return {name: value for name, value in asked.items() if name not in _NOT_COUNTED}


def _gemini(asked: Fields, model: str) -> Fields:
    return {WRAPPED: {"model": f"models/{model}", **asked}}


def _converse(asked: Fields, model: str) -> Fields:
    return {"input": {"converse": {name: asked[name] for name in _CONVERSE if name in asked}}}


def _responses(asked: Fields, model: str) -> Fields:
    return {name: asked[name] for name in _RESPONSES if name in asked}


def _named(body: Body, model: str) -> bytes:
    """A caller's own request to count: where it is wrapped, Google wants the model's name inside as well."""
    wrapped = body.fields.get(WRAPPED)
    if wrapped is None:
        return body.data
    name = msgspec.json.encode(f"models/{model}")
    return body.changed({WRAPPED: Body(bytes(wrapped)).changed({"model": name})})


# What Anthropic's count refuses: it takes the part of a request that is input (its OpenAPI's
# CreateMessageCountTokensParams).
_NOT_COUNTED = frozenset(
    ("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier")
)
_CONVERSE = ("messages", "system", "toolConfig", "additionalModelRequestFields")
_RESPONSES = (
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
)

# How each dialect's vendor is asked, and the field of its answer.
_COUNTS: Mapping[str, tuple[Callable[[Fields, str], Fields], str]] = {
    "anthropic_messages": (_messages, "input_tokens"),
    "gemini": (_gemini, "totalTokens"),
    "bedrock_converse": (_converse, "inputTokens"),
    "openai_responses": (_responses, "input_tokens"),
}


class CountAtProvider:
    def __init__(self, preparation: Preparation, sender: Sender) -> None:
        self._preparation = preparation
        self._sender = sender

    async def __call__(self, call: Call, target: Target) -> int | None:
        """None where the provider counts nothing for this target: some of its models are not counted, and it says so
        with the status of a bad request. Whether it is one, the call itself will tell."""
        if target.count is None or target.dialect not in _COUNTS:
            return None
        shape, field = _COUNTS[target.dialect]
        prepared = self._preparation.relayed(call, target)
        if prepared is None:
            prepared = await self._preparation.translated(call, target)
        body = prepared.body
        if target.dialect != call.dialect:
            body = msgspec.json.encode(shape(msgspec.json.decode(body), target.model))
        elif call.dialect == "gemini":
            body = _named(Body(body), target.model)
        try:
            response = await self._sender(call, target, target.count, body)
        except Rejected as error:
            if target.dialect == call.dialect or error.status not in (400, 404):
                raise
            return None
        try:
            answer = WholeBody()
            async for chunk in response.chunks():
                answer.feed(chunk)
        finally:
            await response.aclose()
        count = answer.decoded(msgspec.json.Decoder(dict[str, Any]).decode, "token count").get(field)
        if not isinstance(count, int):
            raise Malformed(f"The provider {target.provider} gave no token count.")
        return count
