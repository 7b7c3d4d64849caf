"""Messages, answered: a `message` whole or as its stream of events, and the count of a prompt's tokens."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import msgspec
from msgspec import UNSET

from isthmus.simulator.anthropic import request as shapes
from isthmus.simulator.anthropic import rules
from isthmus.simulator.anthropic.counting import PromptUsage, count_prompt
from isthmus.simulator.anthropic.request import CountRequest, MessagesRequest, read_tool
from isthmus.simulator.anthropic.turns import Turn, read_turns
from isthmus.simulator.anthropic.vendor import ANTHROPIC, error_body, known_model, tagged
from isthmus.simulator.exchange import Answer, Exchange, spoiled, sse, streamed, whole
from isthmus.simulator.models import Model
from isthmus.simulator.script import Ask, Draft, Tool, heard, write
from isthmus.simulator.seeds import identifier
from isthmus.simulator.shape import ShapeError, read_shape

_STOP_REASONS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
}
_EFFORT_TOKENS = {"low": 32, "medium": 64, "high": 128, "xhigh": 256, "max": 512}
_MOST_THINKING_TOKENS = 128
_FIRST_OUTPUT_TOKENS = 1


def respond(exchange: Exchange) -> Answer:
    request: MessagesRequest = _read(exchange, MessagesRequest)
    model = known_model(exchange, request.model)
    tools = _read_tools(exchange, request)
    rules.check(exchange, request, model, tools)
    rules.check_answerable(request, model)
    turns = read_turns(request, model, exchange.world.seed)
    ask = _ask(exchange, request, model, tools, turns)
    prompt = count_prompt(exchange.world, exchange.raw, model)
    draft = write(ask, exchange.world.seed)
    message = _Message(exchange, request, model, prompt)
    if request.stream is not True or exchange.fault.kind == "not_streamed":
        return whole(ANTHROPIC, exchange, message.whole(draft))
    events = message.events(draft)
    return streamed(ANTHROPIC, exchange, spoiled(events, exchange.fault, lambda _: [_error(exchange)]))


def count(exchange: Exchange) -> Answer:
    request: CountRequest = _read(exchange, CountRequest)
    model = known_model(exchange, request.model)
    rules.check(exchange, request, model, _read_tools(exchange, request))
    turns = read_turns(request, model, exchange.world.seed)
    exchange.settle(_heard(turns)[0])
    body: dict[str, Any] = {"input_tokens": count_prompt(exchange.world, exchange.raw, model).total}
    if _is_beta(exchange):
        body["context_management"] = None
    return whole(ANTHROPIC, exchange, body)


def _read(exchange: Exchange, shape: type[Any]) -> Any:
    try:
        return read_shape(exchange.raw, shape)
    except ShapeError as error:
        raise tagged(error, exchange.raw) from error


def _read_tools(exchange: Exchange, request: CountRequest) -> list[shapes.Tool]:
    try:
        return [read_tool(raw, ("tools", index)) for index, raw in enumerate(request.tools or ())]
    except ShapeError as error:
        raise tagged(error, exchange.raw) from error


def _is_beta(exchange: Exchange) -> bool:
    """Older callers say so in the query, newer ones by the header alone."""
    request = exchange.request
    return "beta=true" in request.query.split("&") or request.header("anthropic-beta") is not None


def _error(exchange: Exchange) -> bytes:
    request_id = identifier(exchange.ids, "req_011", 21)
    return sse(error_body(ANTHROPIC.trouble(exchange), request_id), "error")


def _ask(
    exchange: Exchange, request: MessagesRequest, model: Model, tools: list[shapes.Tool], turns: list[Turn]
) -> Ask:
    text, answers = _heard(turns)
    text = exchange.settle(text)
    choice = request.tool_choice
    parallel = not isinstance(choice, shapes.ChoiceNone | type(UNSET)) and choice.disable_parallel_tool_use is True
    wanted = rules.format_of(request)
    latest = takewhile(lambda turn: turn.role != "assistant", reversed(turns))
    results = [b for turn in latest for b in turn.blocks if isinstance(b, shapes.ToolResultBlock)]
    custom = [tool for tool in tools if isinstance(tool, shapes.CustomTool)]
    return Ask(
        text=text,
        answers=answers,
        results=tuple(_result_text(block) for block in results),
        tools=tuple(Tool(name=tool.name, schema=tool.input_schema) for tool in custom),
        choice="none" if isinstance(choice, shapes.ChoiceNone) else "auto" if _is_free(choice) else "required",
        forced=choice.name if isinstance(choice, shapes.ChoiceTool) else None,
        parallel=not parallel,
        json_schema=wanted.schema if wanted is not None else None,
        max_tokens=request.max_tokens,
        stops=tuple(request.stop_sequences or ()),
        reasoning_tokens=_thinking_tokens(request, model),
        fault=exchange.fault,
    )


def _is_free(choice: Any) -> bool:
    return not isinstance(choice, shapes.ChoiceAny | shapes.ChoiceTool)


def _heard(turns: list[Turn]) -> tuple[str, int]:
    roles = {"assistant": "model"}
    return heard(
        (
            roles.get(turn.role, turn.role),
            "\n".join(block.text for block in turn.blocks if isinstance(block, shapes.TextBlock)),
        )
        for turn in turns
    )


def _result_text(block: shapes.ToolResultBlock) -> str:
    if not isinstance(block.content, list):
        return block.content or ""
    return "\n".join(part.text for part in block.content if isinstance(part, shapes.TextBlock))


def _thinking_tokens(request: MessagesRequest, model: Model) -> int:
    if isinstance(request.thinking, shapes.ThinkingEnabled):
        return min(request.thinking.budget_tokens, _MOST_THINKING_TOKENS)
    if isinstance(request.thinking, shapes.ThinkingAdaptive):
        effort = request.output_config.effort if request.output_config else None
        return _EFFORT_TOKENS[effort or model.efforts[0]]
    return 0


class _Message:
    """One answer, in both forms."""

    def __init__(self, exchange: Exchange, request: MessagesRequest, model: Model, prompt: PromptUsage) -> None:
        self._exchange = exchange
        self._request = request
        self._prompt = prompt
        self._model = model
        self._ident = identifier(exchange.ids, "msg_01", 22)
        self._beta = _is_beta(exchange)

    def whole(self, draft: Draft) -> dict[str, Any]:
        return {
            **self._head(self._usage(draft.output_tokens, draft.reasoning_tokens)),
            "content": self._content(draft),
            **self._ending(draft),
        }

    def _head(self, usage: dict[str, Any]) -> dict[str, Any]:
        head: dict[str, Any] = {
            "id": self._ident,
            "type": "message",
            "role": "assistant",
            "model": self._model.answers_as,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "container": None,
            "usage": usage,
        }
        if self._beta:
            head |= {"context_management": self._context_management(), "diagnostics": None}
        return head

    def _context_management(self) -> dict[str, Any] | None:
        return None if self._request.context_management is None else {"applied_edits": []}

    def _usage(self, output_tokens: int, thinking_tokens: int) -> dict[str, Any]:
        usage = {
            **self._prompt.as_usage(),
            "cache_creation": {
                "ephemeral_5m_input_tokens": self._prompt.written_5m,
                "ephemeral_1h_input_tokens": self._prompt.written_1h,
            },
            "output_tokens": output_tokens,
            "output_tokens_details": {"thinking_tokens": thinking_tokens} if thinking_tokens else None,
            "server_tool_use": None,
            "service_tier": "standard",
            "inference_geo": self._request.inference_geo or "global",
        }
        return {**usage, "iterations": None, "speed": self._request.speed} if self._beta else usage

    def _ending(self, draft: Draft) -> dict[str, Any]:
        reason = _STOP_REASONS[draft.ending]
        details = {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None
        return {"stop_reason": reason, "stop_sequence": draft.stop_sequence, "stop_details": details}

    def _content(self, draft: Draft) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if draft.reasoning_tokens:
            hidden = getattr(self._request.thinking, "display", None) == "omitted"
            signature = self._exchange.world.seed.seal(draft.reasoning)
            thought = "" if hidden else draft.reasoning
            blocks.append({"type": "thinking", "thinking": thought, "signature": signature})
        if draft.text:
            blocks.append({"type": "text", "text": draft.text, "citations": None})
        for call in draft.calls:
            blocks.append(
                {
                    "type": "tool_use",
                    "id": identifier(self._exchange.ids, "toolu_01", 22),
                    "name": call.tool.name,
                    "input": msgspec.json.decode(call.arguments),
                    "caller": {"type": "direct"},
                }
            )
        return blocks

    def events(self, draft: Draft) -> list[bytes]:
        head = self._head(self._usage(_FIRST_OUTPUT_TOKENS, 0))
        events: list[dict[str, Any]] = [{"type": "message_start", "message": head}]
        calls = iter(draft.calls)
        for index, block in enumerate(self._content(draft)):
            empty, deltas = self._deltas(block, draft, calls)
            events.append({"type": "content_block_start", "index": index, "content_block": empty})
            if index == 0:
                events.append({"type": "ping"})
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        usage = self._usage(draft.output_tokens, draft.reasoning_tokens)
        for name in ("cache_creation", "service_tier", "inference_geo", "speed"):
            usage.pop(name, None)
        closing: dict[str, Any] = {"type": "message_delta", "delta": {**self._ending(draft), "container": None}}
        if self._beta:
            closing["context_management"] = self._context_management()
        events += [{**closing, "usage": usage}, {"type": "message_stop"}]
        return [sse(event, event["type"]) for event in events]

    def _deltas(self, block: dict[str, Any], draft: Draft, calls: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The block as it starts, and what fills it."""
        if block["type"] == "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": text} for text in draft.deltas]
        if block["type"] == "thinking":
            shown = draft.reasoning_deltas if block["thinking"] else ()
            more = {"estimated_tokens": None} if self._beta else {}
            deltas = [{"type": "thinking_delta", "thinking": text, **more} for text in shown]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        parts = ("", *next(calls).deltas)
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
