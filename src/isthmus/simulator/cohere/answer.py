"""One answer of Chat v2 in both forms: a whole message, or the events of a stream."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.simulator import text as texts
from isthmus.simulator.cohere import request as shapes
from isthmus.simulator.cohere.request import ChatRequest
from isthmus.simulator.cohere.vendor import identity
from isthmus.simulator.exchange import Exchange, sse
from isthmus.simulator.faults import UnknownDirective
from isthmus.simulator.script import Call, Draft
from isthmus.simulator.text import split_evenly

FINISH_REASONS = ("COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS", "TOOL_CALL", "ERROR", "TIMEOUT")
_FINISH = {
    "stop": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "refusal": "COMPLETE",
    "content_filter": "ERROR",
}
_PREAMBLE_TOKENS = 66  # what Cohere puts around a prompt: counted as tokens, never billed
_CALL_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_BLOCKED = "the answer was blocked because it may violate the usage guidelines"
_SILENT = frozenset({"OFF", "DISABLED"})
_VOCABULARY = 256_000
_PLAN_DELTAS = 4


class ChatAnswer:
    """What is said before tools are called is the plan, unless the model has thought about it."""

    def __init__(self, exchange: Exchange, request: ChatRequest, draft: Draft, tokens: tuple[int, int]) -> None:
        self._exchange = exchange
        self._request = request
        self._draft = draft
        self._tokens = tokens
        self._id = identity(exchange)
        self._calls = [self._call(call) for call in draft.calls]
        plans = bool(draft.calls) and not draft.reasoning_tokens
        named = " and ".join(call.tool.name for call in draft.calls)
        self._plan = (draft.text or f"I will call {named}.") if plans else ""
        self._text = "" if plans else draft.text
        self._citations = self._cited() if self._text else []

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        if self._calls:
            message["tool_calls"] = self._calls
        if self._plan:
            message["tool_plan"] = self._plan
        if blocks := self._blocks():
            message["content"] = [{"type": kind, kind: text} for kind, text, _ in blocks]
        if self._citations:
            message["citations"] = self._citations
        answer: dict[str, Any] = {
            "id": self._id,
            "message": message,
            "finish_reason": self._finish(),
            "usage": self._usage(),
        }
        if self._request.logprobs:
            answer["logprobs"] = [self._logprobs(text) for text in (self._draft.deltas if self._text else ())]
        return answer

    def events(self) -> list[bytes]:
        opening = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        rows: list[dict[str, Any]] = [{"id": self._id, "type": "message-start", "delta": {"message": opening}}]
        for text in split_evenly(self._plan, _PLAN_DELTAS) if self._plan else ():
            rows.append({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": text}}})
        for index, block in enumerate(self._blocks()):
            rows += self._block_events(index, *block)
        for index, (sent, call) in enumerate(zip(self._calls, self._draft.calls, strict=True)):
            rows += _call_events(index, sent, call)
        ending: dict[str, Any] = {"finish_reason": self._finish()}
        if self._draft.ending == "content_filter":
            ending["error"] = _BLOCKED
        rows.append({"type": "message-end", "delta": {**ending, "usage": self._usage()}})
        return [sse(row, row["type"]) for row in rows]

    def _blocks(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Kind, text and deltas of each block of content."""
        draft, blocks = self._draft, list[tuple[str, str, tuple[str, ...]]]()
        if draft.reasoning_tokens:
            blocks.append(("thinking", draft.reasoning, draft.reasoning_deltas))
        if self._text or not self._calls:
            blocks.append(("text", self._text, draft.deltas))
        return blocks

    def _block_events(self, index: int, kind: str, _text: str, deltas: tuple[str, ...]) -> list[dict[str, Any]]:
        def event(name: str, message: dict[str, Any]) -> dict[str, Any]:
            return {"type": name, "index": index, "delta": {"message": message}}

        rows = [event("content-start", {"content": {"type": kind, kind: ""}})]
        for text in deltas:
            row = event("content-delta", {"content": {kind: text}})
            rows.append({**row, "logprobs": self._logprobs(text)} if self._request.logprobs and kind == "text" else row)
        for number, citation in enumerate(self._citations if kind == "text" else ()):
            rows.append({"type": "citation-start", "index": number, "delta": {"message": {"citations": citation}}})
            rows.append({"type": "citation-end", "index": number})
        return [*rows, {"type": "content-end", "index": index}]

    def _call(self, call: Call) -> dict[str, Any]:
        ident = f"{call.tool.name}_{''.join(self._exchange.ids.choices(_CALL_CHARACTERS, k=12))}"
        return {
            "id": ident,
            "type": "function",
            "function": {"name": call.tool.name, "arguments": call.arguments},
        }

    def _finish(self) -> str:
        reason = self._exchange.fault.finish_reason or _FINISH[self._draft.ending]
        if reason not in FINISH_REASONS:
            raise UnknownDirective(f"Unknown finish_reason: '{reason}'.")
        return reason

    def _usage(self) -> dict[str, Any]:
        prompt, cached = self._tokens
        plan = texts.count(self._plan) if self._plan and not self._draft.text else 0
        spoken = self._draft.output_tokens + plan
        return {
            "billed_units": {"input_tokens": prompt, "output_tokens": spoken},
            "tokens": {"input_tokens": prompt + _PREAMBLE_TOKENS, "output_tokens": spoken},
            "cached_tokens": cached,
        }

    def _logprobs(self, text: str) -> dict[str, Any]:
        rng = self._exchange.world.seed.rng("logprobs", text)
        count = len(texts.pieces(text))
        return {
            "text": text,
            "token_ids": [rng.randrange(_VOCABULARY) for _ in range(count)],
            "logprobs": [-round(rng.random(), 6) for _ in range(count)],
        }

    def _cited(self) -> list[dict[str, Any]]:
        """The answer's beginning, as quoted from each source; or from as many as a fault says."""
        options = self._request.citation_options
        sources = self._sources()
        if not sources or (options is not None and options.mode in _SILENT):
            return []
        end = len(self._draft.deltas[0])
        place = {"start": 0, "end": end, "text": self._text[:end]}
        index = 1 if self._draft.reasoning_tokens else 0
        many = self._exchange.fault.citations or 1
        return [
            {**place, "sources": [sources[n % len(sources)]], "content_index": index, "type": "TEXT_CONTENT"}
            for n in range(many)
        ]

    def _sources(self) -> list[dict[str, Any]]:
        sources: list[dict[str, Any]] = []
        for number, document in enumerate(self._request.documents or ()):
            known = shapes.Document(data={"text": document}) if isinstance(document, str) else document
            ident = f"doc:{number}" if known.id is None else known.id
            sources.append({"type": "document", "id": ident, "document": {"id": ident, **known.data}})
        for message in self._request.messages:
            if isinstance(message, shapes.ToolMessage):
                sources.append(
                    {"type": "tool", "id": f"{message.tool_call_id}:0", "tool_output": _output(message.content)}
                )
        return sources


def _output(content: str | list[Any]) -> dict[str, Any]:
    if not isinstance(content, str):
        parts = [part.document.data if isinstance(part, shapes.DocumentContent) else part.text for part in content]
        return parts[0] if len(parts) == 1 and isinstance(parts[0], dict) else {"content": parts}
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"content": content}
    return value if isinstance(value, dict) else {"content": value}


def _call_events(index: int, sent: dict[str, Any], call: Call) -> list[dict[str, Any]]:
    def event(name: str, tool_calls: dict[str, Any]) -> dict[str, Any]:
        return {"type": name, "index": index, "delta": {"message": {"tool_calls": tool_calls}}}

    rows = [event("tool-call-start", {**sent, "function": {**sent["function"], "arguments": ""}})]
    rows += [event("tool-call-delta", {"function": {"arguments": text}}) for text in call.deltas]
    return [*rows, {"type": "tool-call-end", "index": index}]
