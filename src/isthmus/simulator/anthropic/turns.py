"""The rules of a conversation in Messages: roles, empty turns, each tool call answered in the next turn, thinking
blocks kept as they were.
"""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.simulator.anthropic import request as shapes
from isthmus.simulator.anthropic.request import CountRequest
from isthmus.simulator.exchange import Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.seeds import Seed

_THINKING = shapes.ThinkingBlock | shapes.RedactedThinkingBlock
_ONLY_USER = (
    shapes.ImageBlock,
    shapes.SearchResultBlock,
    shapes.ToolResultBlock,
    shapes.MidConversationSystemBlock,
)
_ONLY_ASSISTANT = (shapes.ThinkingBlock, shapes.RedactedThinkingBlock, shapes.ToolUseBlock, shapes.ServerToolUseBlock)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive messages of one role, which the service takes for one. `place` is that of the first."""

    role: str
    place: int
    blocks: list[Any]


def read_turns(request: CountRequest, model: Model, seed: Seed) -> list[Turn]:
    """Raises `Rejection`."""
    if not request.messages:
        raise Rejection("messages: at least one message is required")
    if request.messages[0].role != "user":
        raise Rejection('messages: first message must use the "user" role')
    turns = _merged(request.messages)
    last = len(request.messages) - 1
    for place, message in enumerate(request.messages):
        _check_content(message, place, is_prefill=place == last and message.role == "assistant")
    for index, turn in enumerate(turns):
        following = turns[index + 1] if index + 1 < len(turns) else None
        previous = turns[index - 1] if index else None
        _check_calls(turn, following)
        _check_results(turn, previous)
        _check_signatures(turn, seed)
    if turns[-1].role == "assistant" and not model.takes_prefill:
        message_text = (
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
        raise Rejection(message_text)
    if isinstance(request.thinking, shapes.ThinkingEnabled):
        _check_thinking_kept(turns)
    return turns


def _merged(messages: list[shapes.Message]) -> list[Turn]:
    turns: list[Turn] = []
    for place, message in enumerate(messages):
        blocks: list[Any] = (
            [shapes.TextBlock(text=message.content)] if isinstance(message.content, str) else list(message.content)
        )
        if turns and turns[-1].role == message.role:
            turns[-1].blocks.extend(blocks)
        else:
            turns.append(Turn(role=message.role, place=place, blocks=blocks))
    return turns


def _check_content(message: shapes.Message, place: int, is_prefill: bool) -> None:
    where = f"messages.{place}"
    if not message.content and not is_prefill:
        raise Rejection(
            f"{where}: all messages must have non-empty content except for the optional final assistant message"
        )
    blocks = [shapes.TextBlock(text=message.content)] if isinstance(message.content, str) else message.content
    wrong = _ONLY_ASSISTANT if message.role != "assistant" else _ONLY_USER
    side = "assistant" if message.role != "assistant" else "user"
    for block in blocks:
        if isinstance(block, wrong):
            kind = block.__struct_config__.tag
            raise Rejection(f"{where}: `{kind}` blocks can only be in `{side}` messages")
        if isinstance(block, shapes.TextBlock) and not block.text.strip() and not is_prefill:
            raise Rejection("messages: text content blocks must contain non-whitespace text")
    if (
        is_prefill
        and blocks
        and isinstance(blocks[-1], shapes.TextBlock)
        and blocks[-1].text != blocks[-1].text.rstrip()
    ):
        raise Rejection("messages: final assistant content cannot end with trailing whitespace")


def _check_calls(turn: Turn, following: Turn | None) -> None:
    calls = [block.id for block in turn.blocks if isinstance(block, shapes.ToolUseBlock)]
    if len(set(calls)) != len(calls):
        raise Rejection(f"messages.{turn.place}: `tool_use` ids must be unique")
    answered = set(_leading_results(following)) if following is not None else set()
    if missing := [call for call in calls if call not in answered]:
        raise Rejection(
            f"messages.{turn.place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message."
        )


def _leading_results(turn: Turn) -> list[str]:
    """The results a turn opens with: after anything else they do not count."""
    results: list[str] = []
    for block in turn.blocks:
        if not isinstance(block, shapes.ToolResultBlock):
            break
        results.append(block.tool_use_id)
    return results


def _check_results(turn: Turn, previous: Turn | None) -> None:
    calls = {block.id for block in previous.blocks if isinstance(block, shapes.ToolUseBlock)} if previous else set()
    seen: set[str] = set()
    for index, block in enumerate(turn.blocks):
        if not isinstance(block, shapes.ToolResultBlock):
            continue
        if block.tool_use_id not in calls:
            raise Rejection(
                f"messages.{turn.place}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{block.tool_use_id}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message."
            )
        if block.tool_use_id in seen:
            raise Rejection(
                f"messages.{turn.place}.content.{index}: each tool_use must have a single result. Found multiple "
                f"`tool_result` blocks with id: {block.tool_use_id}"
            )
        seen.add(block.tool_use_id)


def _check_signatures(turn: Turn, seed: Seed) -> None:
    for index, block in enumerate(turn.blocks):
        if isinstance(block, shapes.ThinkingBlock):
            thought = seed.unseal(block.signature)
            if thought is None or block.thinking not in ("", thought):
                raise Rejection(f"messages.{turn.place}.content.{index}: Invalid `signature` in `thinking` block")
        elif isinstance(block, shapes.RedactedThinkingBlock) and seed.unseal(block.data) is None:
            raise Rejection(f"messages.{turn.place}.content.{index}: Invalid `data` in `redacted_thinking` block")


def _check_thinking_kept(turns: list[Turn]) -> None:
    """In a tool loop the assistant's last turn must still open with what it thought."""
    for turn in reversed(turns):
        if turn.role != "assistant":
            continue
        calls = any(isinstance(block, shapes.ToolUseBlock) for block in turn.blocks)
        if calls and not isinstance(turn.blocks[0], _THINKING):
            raise Rejection(
                f"messages.{turn.place}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{turn.blocks[0].__struct_config__.tag}`. When `thinking` is enabled, a final `assistant` message "
                "must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` "
                "blocks)."
            )
        return
