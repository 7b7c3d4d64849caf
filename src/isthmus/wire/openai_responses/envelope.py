"""The response object around an answer: every field of the specification, the request's parameters among them. It goes
out up to three times in a stream, so that what does not change is encoded once."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from isthmus.core.chat.event import Finished, Started
from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import Chat, Text, VendorTool
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError, InvalidRequest, Unsupported
from isthmus.wire.json_text import made_up_id, prefixed_id
from isthmus.wire.openai_responses.answer import failure_code, written_tier, written_usage
from isthmus.wire.openai_responses.tools import max_tool_calls, written_choice, written_tools
from isthmus.wire.openai_responses.upstream import text_format

SAFETY_IDENTIFIER_MAX_CHARS = 64

_INCOMPLETE = {
    "length": "max_output_tokens",
    "context_length": "max_output_tokens",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}


def incomplete_reason(finished: Finished | None, refused: bool) -> str | None:
    """A refusal in words (`refused`) is a complete answer here; one without any is as good as filtered."""
    if finished is None or (finished.reason == "refusal" and refused):
        return None
    return _INCOMPLETE.get(finished.reason)


class Envelope:
    """Fields that the specification makes strings are empty strings where we have nothing for them, and usage is
    zeros until it is known: of the two specifications there are (OpenAI's and Open Responses'), one allows no null."""

    __slots__ = ("_head", "_tail", "suffix")

    def __init__(self, started: Started, chat: Chat) -> None:
        response_id = prefixed_id("resp_", started.id) if started.id else made_up_id("resp_")
        self.suffix = response_id.removeprefix("resp_")  # of the ids of its items
        self._head: dict[str, Any] = {
            "id": response_id,
            "object": "response",
            "created_at": started.created or 0,
        }
        try:
            echo = _echo(started, chat)
            self._tail = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in echo.items()}
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.") from None

    def in_progress(self, usage: Usage) -> dict[str, Any]:
        return self._written("in_progress", [], Usage(service_tier=usage.service_tier))

    def finished(self, output: list[dict[str, Any]], incomplete: str | None, usage: Usage) -> dict[str, Any]:
        if incomplete is None:
            return self._written("completed", output, usage)
        return self._written("incomplete", output, usage) | {"incomplete_details": {"reason": incomplete}}

    def failed(self, output: list[dict[str, Any]], error: GatewayError, usage: Usage) -> dict[str, Any]:
        stated = {"code": failure_code(error), "message": error.message}
        return self._written("failed", output, usage) | {"error": stated}

    def _written(self, status: Status, output: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
        # The order is OpenAI's: usage near the end, where it is looked for.
        return {
            **self._head,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "output": output,
            **self._tail,
            "service_tier": written_tier(usage),
            "usage": written_usage(usage),
        }


Status = Literal["in_progress", "completed", "incomplete", "failed"]


def _echo(started: Started, chat: Chat) -> dict[str, Any]:
    user = chat.user or ""
    unsaid = Receipt()
    echo: dict[str, Any] = {
        "background": False,
        "completed_at": None,
        "conversation": None,
        "frequency_penalty": chat.frequency_penalty or 0.0,
        "instructions": _instructions(chat),
        "max_output_tokens": chat.max_tokens,
        "max_tool_calls": max_tool_calls(chat, unsaid),
        "metadata": chat.metadata or {},
        "model": started.model,
        "parallel_tool_calls": chat.parallel_tool_calls is not False,
        "presence_penalty": chat.presence_penalty or 0.0,
        "previous_response_id": None,
        "prompt": None,
        "prompt_cache_key": chat.cache_key or "",
        "prompt_cache_retention": chat.cache_retention,
        "reasoning": {"effort": chat.effort, "summary": None if chat.summary == "none" else chat.summary},
        "safety_identifier": user if len(user) <= SAFETY_IDENTIFIER_MAX_CHARS else "",
        "store": False,
        "temperature": 1.0 if chat.temperature is None else chat.temperature,
        "text": {"format": text_format(chat), "verbosity": chat.verbosity or "medium"},
        "tool_choice": _choice(chat),
        "tools": written_tools(_offered(chat), unsaid),
        "top_logprobs": chat.top_logprobs or 0,
        "top_p": 1.0 if chat.top_p is None else chat.top_p,
        "truncation": "disabled",
    }
    return echo | {"user": user} if user else echo


def _offered(chat: Chat) -> Chat:
    """Tools that one vendor alone has were not offered to a model whose answer has to be written anew."""
    tools = tuple(tool for tool in chat.tools if not isinstance(tool, VendorTool))
    return msgspec.structs.replace(chat, tools=tools)


def _choice(chat: Chat) -> str | dict[str, Any]:
    try:
        return written_choice(chat)
    except Unsupported:
        return "auto"


def _instructions(chat: Chat) -> str | None:
    """Where a request's `instructions` went to: its first message."""
    first = chat.messages[0] if chat.messages else None
    if first is None or first.role != "system":
        return None
    return "".join(part.text for part in first.parts if isinstance(part, Text))
