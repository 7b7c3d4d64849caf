"""The event stream of Responses: for each output item the events that open it, fill it and close it, numbered."""

from __future__ import annotations

import random
from typing import Any

from isthmus.simulator import text as texts
from isthmus.simulator.exchange import sse
from isthmus.simulator.script import Draft

_OBFUSCATION = "abcdefghijklmnopqrstuvwxyz"


class Events:
    """Collects events in order. `obfuscation` pads each delta with noise, where that is asked for."""

    def __init__(self, obfuscation: random.Random | None) -> None:
        self._events: list[dict[str, Any]] = []
        self._obfuscation = obfuscation
        self._index = 0

    def bytes(self) -> list[bytes]:
        return [sse(event, event["type"]) for event in self._events]

    def begin(self, response: dict[str, Any]) -> None:
        self._add("response.created", response=response)
        self._add("response.in_progress", response=response)

    def end(self, response: dict[str, Any]) -> None:
        self._add(f"response.{response['status']}", response=response)

    def item(self, item: dict[str, Any], draft: Draft) -> None:
        fill = {
            "reasoning": self._reasoning,
            "message": self._message,
            "function_call": self._call,
            "custom_tool_call": self._custom_call,
        }
        opened: dict[str, dict[str, Any]] = {
            "reasoning": {"summary": []},
            "message": {"content": [], "status": "in_progress"},
            "function_call": {"arguments": "", "status": "in_progress"},
            "custom_tool_call": {"input": ""},
        }
        kind = item["type"]
        self._add("response.output_item.added", output_index=self._index, item={**item, **opened[kind]})
        fill[kind](item, draft)
        self._add("response.output_item.done", output_index=self._index, item=item)
        self._index += 1

    def _add(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "sequence_number": len(self._events), **fields}
        if self._obfuscation is not None and kind.endswith(".delta"):
            event["obfuscation"] = "".join(self._obfuscation.choices(_OBFUSCATION, k=self._obfuscation.randint(1, 12)))
        self._events.append(event)

    def _reasoning(self, item: dict[str, Any], draft: Draft) -> None:
        if not item["summary"]:
            return
        where = {"item_id": item["id"], "output_index": self._index, "summary_index": 0}
        name = "response.reasoning_summary"
        self._add(f"{name}_part.added", **where, part={"type": "summary_text", "text": ""})
        for delta in draft.reasoning_deltas:
            self._add(f"{name}_text.delta", **where, delta=delta)
        self._add(f"{name}_text.done", **where, text=draft.reasoning)
        self._add(f"{name}_part.done", **where, part={"type": "summary_text", "text": draft.reasoning})

    def _message(self, item: dict[str, Any], draft: Draft) -> None:
        part = item["content"][0]
        where = {"item_id": item["id"], "output_index": self._index, "content_index": 0}
        refused = part["type"] == "refusal"
        empty = {**part, "refusal": ""} if refused else {**part, "text": "", "logprobs": []}
        self._add("response.content_part.added", **where, part=empty)
        rows = [] if refused else list(part["logprobs"])
        for delta in draft.deltas:
            if refused:
                self._add("response.refusal.delta", **where, delta=delta)
            else:
                said, rows = rows[: texts.count(delta)], rows[texts.count(delta) :]
                self._add("response.output_text.delta", **where, delta=delta, logprobs=said)
        if refused:
            self._add("response.refusal.done", **where, refusal=part["refusal"])
        else:
            self._add("response.output_text.done", **where, text=part["text"], logprobs=part["logprobs"])
        self._add("response.content_part.done", **where, part=part)

    def _call(self, item: dict[str, Any], draft: Draft) -> None:
        where = {"item_id": item["id"], "output_index": self._index}
        for delta in self._deltas_of(item["name"], item["arguments"], draft):
            self._add("response.function_call_arguments.delta", **where, delta=delta)
        self._add("response.function_call_arguments.done", **where, name=item["name"], arguments=item["arguments"])

    def _custom_call(self, item: dict[str, Any], draft: Draft) -> None:
        where = {"item_id": item["id"], "output_index": self._index}
        for delta in self._deltas_of(item["name"], item["input"], draft):
            self._add("response.custom_tool_call_input.delta", **where, delta=delta)
        self._add("response.custom_tool_call_input.done", **where, input=item["input"])

    def _deltas_of(self, name: str, arguments: str, draft: Draft) -> tuple[str, ...]:
        same = (call.deltas for call in draft.calls if call.tool.name == name and call.arguments == arguments)
        return next(same)
