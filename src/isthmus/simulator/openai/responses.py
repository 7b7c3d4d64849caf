"""Responses, answered: the `response` object whole, or the events that build it."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from isthmus.simulator.exchange import EPOCH_SECONDS, Answer, Exchange, spoiled, sse, streamed, whole
from isthmus.simulator.openai import responses_rules, rules
from isthmus.simulator.openai.logprobs import token_logprobs
from isthmus.simulator.openai.responses_request import CustomTool, FunctionTool, ImageTool, ResponsesRequest
from isthmus.simulator.openai.responses_rules import Reading
from isthmus.simulator.openai.responses_stream import Events
from isthmus.simulator.openai.vendor import OPENAI, conversing_model
from isthmus.simulator.script import Call, Draft, write
from isthmus.simulator.seeds import identifier
from isthmus.simulator.shape import read_shape

_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


def respond(exchange: Exchange) -> Answer:
    responses_rules.check_moved(exchange.raw)
    request: ResponsesRequest = read_shape(exchange.raw, ResponsesRequest)
    model = conversing_model(exchange, request.model, "v1/responses")
    reading = responses_rules.check(exchange, request, model)
    ask = responses_rules.ask(exchange, reading)
    instructions = [request.instructions] if request.instructions else []
    blocks = [*exchange.raw.get("tools", ()), *instructions, *reading.raw_items]
    tokens = rules.prompt_tokens(exchange, model, blocks)
    rules.check_room(model, tokens[0], ask.max_tokens, ("input", "max_output_tokens"))
    draft = write(ask, exchange.world.seed)
    items = _Items(exchange, request).all(draft)
    response = _response(exchange, reading)
    finished = {**response, **_outcome(draft, items, tokens)}
    if request.store is not False:
        _remember(exchange, response["id"], reading, items)
    if not request.stream or exchange.fault.kind == "not_streamed":
        return whole(OPENAI, exchange, finished)
    obfuscated = request.stream_options is not None and request.stream_options.include_obfuscation is True
    events = Events(exchange.ids if obfuscated else None)
    events.begin(response)
    for item in items:
        events.item(item, draft)
    events.end(finished)
    return streamed(OPENAI, exchange, spoiled(events.bytes(), exchange.fault, lambda n: _errors(exchange, response, n)))


def _remember(exchange: Exchange, ident: str, reading: Reading, items: list[dict[str, Any]]) -> None:
    exchange.world.responses.put(ident, [*reading.raw_items, *items])
    for item in items:
        exchange.world.responses.put(item["id"], item)


class _Items:
    """The output items of one answer."""

    def __init__(self, exchange: Exchange, request: ResponsesRequest) -> None:
        self._ids = exchange.ids
        self._seed = exchange.world.seed
        self._request = request

    def all(self, draft: Draft) -> list[dict[str, Any]]:
        items = [self._reasoning(draft)] if draft.reasoning_tokens else []
        if draft.text or not (draft.calls or draft.ending == "length"):
            items.append(self._message(draft))
        return items + [self._call(call) for call in draft.calls]

    def _reasoning(self, draft: Draft) -> dict[str, Any]:
        reasoning = self._request.reasoning
        summarised = reasoning is not None and (reasoning.summary or reasoning.generate_summary)
        item: dict[str, Any] = {
            "id": identifier(self._ids, "rs_", 40),
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": draft.reasoning}] if summarised else [],
        }
        if "reasoning.encrypted_content" in (self._request.include or ()):
            item["encrypted_content"] = self._seed.seal(draft.reasoning)
        return item

    def _message(self, draft: Draft) -> dict[str, Any]:
        if draft.ending == "refusal":
            part: dict[str, Any] = {"type": "refusal", "refusal": draft.text}
        else:
            part = {"type": "output_text", "text": draft.text, "annotations": [], "logprobs": self._logprobs(draft)}
        return {
            "id": identifier(self._ids, "msg_", 40),
            "type": "message",
            "status": "incomplete" if draft.ending in _REASONS else "completed",
            "role": "assistant",
            "content": [part],
        }

    def _logprobs(self, draft: Draft) -> list[dict[str, Any]]:
        if "message.output_text.logprobs" not in (self._request.include or ()):
            return []
        top = self._request.top_logprobs or 0
        return [row for delta in draft.deltas for row in token_logprobs(delta, self._ids, top)]

    def _call(self, call: Call) -> dict[str, Any]:
        call_id = identifier(self._ids, "call_", 24)
        if call.tool.schema is None:
            return {
                "id": identifier(self._ids, "ctc_", 40),
                "type": "custom_tool_call",
                "call_id": call_id,
                "name": call.tool.name,
                "input": call.arguments,
            }
        return {
            "id": identifier(self._ids, "fc_", 40),
            "type": "function_call",
            "status": "completed",
            "call_id": call_id,
            "name": call.tool.name,
            "arguments": call.arguments,
        }


def _response(exchange: Exchange, reading: Reading) -> dict[str, Any]:
    """The object as it stands before anything was said."""
    request, model = reading.request, reading.model
    reasoning = request.reasoning
    response: dict[str, Any] = {
        "id": identifier(exchange.ids, "resp_", 40),
        "object": "response",
        "created_at": EPOCH_SECONDS,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "model": model.answers_as,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_retention": request.prompt_cache_retention,
        "reasoning": {
            "effort": reading.effort if model.efforts else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "service_tier": rules.tier(request.service_tier),
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": _text(request, exchange.raw),
        "tool_choice": exchange.raw.get("tool_choice", "auto"),
        "tools": _tools(reading, exchange.raw),
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "metadata": request.metadata or {},
    }
    for name in ("user", "safety_identifier", "prompt_cache_key"):
        if getattr(request, name) is not UNSET:
            response[name] = getattr(request, name)
    return response


def _text(request: ResponsesRequest, raw: dict[str, Any]) -> dict[str, Any]:
    wanted = raw.get("text", {}).get("format", {"type": "text"})
    if wanted["type"] == "json_schema":
        wanted = {"strict": False, **wanted}
    return {"format": wanted, "verbosity": (request.text and request.text.verbosity) or "medium"}


def _tools(reading: Reading, raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Those whose every field was checked: of most hosted tools only the type was, and what they brought may be of a
    shape that no answer has."""
    defaults = {"description": None, "strict": True}
    return [
        {**defaults, **given} if isinstance(tool, FunctionTool) else given
        for tool, given in zip(reading.tools, raw.get("tools", ()), strict=True)
        if isinstance(tool, FunctionTool | CustomTool | ImageTool)
    ]


def _outcome(draft: Draft, items: list[dict[str, Any]], tokens: tuple[int, int]) -> dict[str, Any]:
    reason = _REASONS.get(draft.ending)
    return {
        "status": "incomplete" if reason else "completed",
        "completed_at": None if reason else EPOCH_SECONDS + 1,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": items,
        "usage": {
            "input_tokens": tokens[0],
            "input_tokens_details": {"cached_tokens": tokens[1], "cache_write_tokens": 0},
            "output_tokens": draft.output_tokens,
            "output_tokens_details": {"reasoning_tokens": draft.reasoning_tokens},
            "total_tokens": tokens[0] + draft.output_tokens,
        },
    }


def _errors(exchange: Exchange, response: dict[str, Any], number: int) -> list[bytes]:
    trouble = OPENAI.trouble(exchange)
    code = "rate_limit_exceeded" if trouble.status == 429 else "server_error"
    event = {"type": "error", "sequence_number": number, "code": code, "message": trouble.message, "param": None}
    failed = {**response, "status": "failed", "error": {"code": code, "message": trouble.message}}
    closing = {"type": "response.failed", "sequence_number": number + 1, "response": failed}
    return [sse(event, "error"), sse(closing, "response.failed")]
