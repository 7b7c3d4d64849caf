"""The response object around an answer: every field of the specification, the request's parameters among them. It goes
out up to three times in a stream, so that what does not change is encoded once."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from isthmus.core.event import Finished, Started
from isthmus.core.request import Chat, Text
from isthmus.core.usage import Usage
from isthmus.errors import GatewayError
from isthmus.wire.json_text import made_up_id, prefixed_id
from isthmus.wire.openai_responses.answer import failure_code, written_usage
from isthmus.wire.openai_responses.upstream import text_format, written_choice, written_tool

SAFETY_IDENTIFIER_MAX_CHARS = 64

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def completion_status(finished: Finished | None) -> Literal["completed", "incomplete"]:
    return "incomplete" if finished is not None and finished.reason in _INCOMPLETE else "completed"


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
        self._tail = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in _echo(started, chat).items()}

    def in_progress(self) -> dict[str, Any]:
        return self._written("in_progress", [], Usage())

    def finished(self, output: list[dict[str, Any]], finished: Finished | None, usage: Usage) -> dict[str, Any]:
        reason = _INCOMPLETE.get(finished.reason) if finished else None
        written = self._written(completion_status(finished), output, usage)
        return written if reason is None else written | {"incomplete_details": {"reason": reason}}

    def failed(self, output: list[dict[str, Any]], error: GatewayError, usage: Usage) -> dict[str, Any]:
        stated = {"code": failure_code(error), "message": error.message}
        return self._written("failed", output, usage) | {"error": stated}

    def _written(self, status: str, output: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
        # The order is OpenAI's: usage near the end, where it is looked for.
        return {
            **self._head,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "output": output,
            **self._tail,
            "usage": written_usage(usage),
        }


def _echo(started: Started, chat: Chat) -> dict[str, Any]:
    user = chat.user or ""
    echo: dict[str, Any] = {
        "background": False,
        "completed_at": None,
        "conversation": None,
        "frequency_penalty": 0.0,
        "instructions": _instructions(chat),
        "max_output_tokens": chat.max_tokens,
        "max_tool_calls": None,
        "metadata": {},
        "model": started.model,
        "parallel_tool_calls": chat.parallel_tool_calls is not False,
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt": None,
        "prompt_cache_key": "",
        "prompt_cache_retention": None,
        "reasoning": {"effort": chat.effort, "summary": None},
        "safety_identifier": user if len(user) <= SAFETY_IDENTIFIER_MAX_CHARS else "",
        "service_tier": "default",
        "store": False,
        "temperature": 1.0 if chat.temperature is None else chat.temperature,
        "text": {"format": text_format(chat), "verbosity": "medium"},
        "tool_choice": written_choice(chat),
        "tools": [written_tool(tool) for tool in chat.tools],
        "top_logprobs": 0,
        "top_p": 1.0 if chat.top_p is None else chat.top_p,
        "truncation": "disabled",
    }
    return echo | {"user": user} if user else echo


def _instructions(chat: Chat) -> str | None:
    """Where a request's `instructions` went to: its first message."""
    first = chat.messages[0] if chat.messages else None
    if first is None or first.role != "system":
        return None
    return "".join(part.text for part in first.parts if isinstance(part, Text))
