"""One answer of Converse in both forms: a whole document, or the events of a stream."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from isthmus.simulator.anthropic.counting import PromptUsage
from isthmus.simulator.bedrock import request as shapes
from isthmus.simulator.bedrock.eventstream import event
from isthmus.simulator.bedrock.request import ConverseRequest, StopReason
from isthmus.simulator.exchange import Exchange
from isthmus.simulator.faults import UnknownDirective
from isthmus.simulator.script import Call, Draft
from isthmus.simulator.seeds import identifier

_STOP_REASONS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "content_filtered",
    "content_filter": "content_filtered",
}
_HIDDEN = "[REDACTED]"  # what Nova shows of its reasoning
_LATENCY_MS = (200, 2000)
_QUOTE_CHARACTERS = 40


class Converse:
    def __init__(
        self,
        exchange: Exchange,
        request: ConverseRequest,
        prompt: PromptUsage,
        draft: Draft,
        *,
        signs: bool,
        redacts: bool,
        overflows: bool,
    ) -> None:
        self._exchange = exchange
        self._request = request
        self._prompt = prompt
        self._draft = draft
        self._signs = signs
        self._redacts = redacts
        self._overflows = overflows
        self._ids = [identifier(exchange.ids, "tooluse_", 22) for _ in draft.calls]
        self._citations = self._cited() if draft.text else []

    def whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": self._content()}
        return {"output": {"message": message}, **self._ending(), **self._metadata()}

    def events(self) -> list[bytes]:
        rows: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
        for index, (start, deltas) in enumerate(self._streamed()):
            place = {"contentBlockIndex": index}
            if start is not None:  # text and reasoning begin with their first delta
                rows.append(("contentBlockStart", {**place, "start": start}))
            rows += [("contentBlockDelta", {**place, "delta": delta}) for delta in deltas]
            rows.append(("contentBlockStop", place))
        rows += [("messageStop", self._ending()), ("metadata", self._metadata())]
        return [event(name, data, self._exchange.ids) for name, data in rows]

    def _content(self) -> list[dict[str, Any]]:
        draft, blocks = self._draft, list[dict[str, Any]]()
        if draft.reasoning_tokens:
            blocks.append({"reasoningContent": self._reasoning()})
        if self._citations:
            blocks.append({"citationsContent": {"content": [{"text": draft.text}], "citations": self._citations}})
        elif draft.text:
            blocks.append({"text": draft.text})
        for ident, call in zip(self._ids, draft.calls, strict=True):
            blocks.append({"toolUse": {**self._call(ident, call), "input": msgspec.json.decode(call.arguments)}})
        return blocks

    def _streamed(self) -> list[tuple[dict[str, Any] | None, list[dict[str, Any]]]]:
        """Each block: how it starts, and what fills it."""
        draft = self._draft
        blocks: list[tuple[dict[str, Any] | None, list[dict[str, Any]]]] = []
        if draft.reasoning_tokens:
            blocks.append((None, [{"reasoningContent": part} for part in self._reasoning_deltas()]))
        if draft.text:
            deltas: list[dict[str, Any]] = [{"text": text} for text in draft.deltas]
            blocks.append((None, deltas + [{"citation": citation} for citation in self._citations]))
        for ident, call in zip(self._ids, draft.calls, strict=True):
            parts = [{"toolUse": {"input": part}} for part in ("", *call.deltas)]
            blocks.append(({"toolUse": self._call(ident, call)}, parts))
        return blocks

    def _call(self, ident: str, call: Call) -> dict[str, Any]:
        return {"toolUseId": ident, "name": call.tool.name}

    def _reasoning(self) -> dict[str, Any]:
        sealed = self._exchange.world.seed.seal(self._draft.reasoning)
        if not self._signs:
            return {"reasoningText": {"text": _HIDDEN}}
        if self._redacts:
            return {"redactedContent": sealed}
        return {"reasoningText": {"text": self._draft.reasoning, "signature": sealed}}

    def _reasoning_deltas(self) -> list[dict[str, Any]]:
        reasoning = self._reasoning()
        if "redactedContent" in reasoning:
            return [reasoning]
        if not self._signs:
            return [{"text": _HIDDEN}]
        texts = [{"text": text} for text in self._draft.reasoning_deltas]
        return [*texts, {"signature": reasoning["reasoningText"]["signature"]}]

    def _cited(self) -> list[dict[str, Any]]:
        """One citation of each document that asks for it, or as many as a fault says."""
        blocks = [block for message in self._request.messages or () for block in message.content]
        documents = [block.document for block in blocks if block.document is not None]
        citable = [(i, d) for i, d in enumerate(documents) if d.citations is not None and d.citations.enabled]
        many = self._exchange.fault.citations or len(citable)
        return [_citation(*citable[number % len(citable)]) for number in range(many)] if citable else []

    def _ending(self) -> dict[str, Any]:
        reason = self._exchange.fault.finish_reason or self._stop_reason()
        if reason not in get_args(StopReason):
            raise UnknownDirective(f"Unknown stopReason: '{reason}'.")
        ending: dict[str, Any] = {"stopReason": reason}
        if "/stop_sequence" in (self._request.additionalModelResponseFieldPaths or ()):
            ending["additionalModelResponseFields"] = {"stop_sequence": self._draft.stop_sequence}
        return ending

    def _stop_reason(self) -> str:
        if self._draft.ending == "content_filter" and self._request.guardrailConfig is not None:
            return "guardrail_intervened"
        return "model_context_window_exceeded" if self._overflows else _STOP_REASONS[self._draft.ending]

    def _metadata(self) -> dict[str, Any]:
        prompt, spoken = self._prompt, self._draft.output_tokens
        usage: dict[str, Any] = {
            "inputTokens": prompt.fresh,
            "outputTokens": spoken,
            "totalTokens": prompt.total + spoken,
            "cacheReadInputTokens": prompt.read,
            "cacheWriteInputTokens": prompt.written_5m + prompt.written_1h,
        }
        written = (("1h", prompt.written_1h), ("5m", prompt.written_5m))
        if details := [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in written if tokens]:
            usage["cacheDetails"] = details
        latency = self._exchange.world.seed.rng("latency", self._exchange.request.body).randint(*_LATENCY_MS)
        metadata: dict[str, Any] = {"usage": usage, "metrics": {"latencyMs": latency}}
        for name in ("performanceConfig", "serviceTier"):
            if (given := getattr(self._request, name)) is not None:
                metadata[name] = msgspec.to_builtins(given)
        return metadata


def _citation(index: int, document: shapes.DocumentBlock) -> dict[str, Any]:
    source = document.source
    if source.content is not None:
        kind, start, text = "documentChunk", 0, source.content[0].text or "" if source.content else ""
        end = 1
    elif document.format == "pdf" and source.bytes is not None:
        kind, start, end, text = "documentPage", 1, 2, "a page"
    else:
        text = (source.text or "a text")[:_QUOTE_CHARACTERS]
        kind, start, end = "documentChar", 0, len(text)
    location = {kind: {"documentIndex": index, "start": start, "end": end}}
    return {"title": document.name, "sourceContent": [{"text": text}], "location": location}
