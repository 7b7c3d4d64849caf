"""Whether a conversation's tool calls and results belong together: dialects differ in what they let pass, and a
provider would complain in terms that the caller never used."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.core.chat.request import Message, ToolCall, ToolResult
from isthmus.errors import InvalidRequest


def check_tool_ids(messages: Sequence[Message]) -> None:
    """Raises `InvalidRequest` for a result that answers no call before it, for two calls of one turn with the same id,
    and for two results of one call."""
    called: set[str] = set()
    answered: set[str] = set()
    for message in messages:
        if message.role == "assistant":
            in_turn: set[str] = set()
            for part in message.parts:
                if isinstance(part, ToolCall):
                    if part.id in in_turn:
                        raise _wrong(part.id, "two tool calls of one turn have")
                    in_turn.add(part.id)
            called |= in_turn
            answered -= in_turn  # some callers count from 0 again in every turn
        elif message.role == "tool":
            for part in message.parts:
                if isinstance(part, ToolResult):
                    if part.call_id not in called:
                        raise _wrong(part.call_id, "no tool call before this result has")
                    if part.call_id in answered:
                        raise _wrong(part.call_id, "two tool results have")
                    answered.add(part.call_id)


def _wrong(id_: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"The tool calls and results do not match: {what} the id {id_[:80]!r}.", param="messages")
