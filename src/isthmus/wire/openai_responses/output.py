"""The output items of an answer being written: each grows until it is closed, and can be written down at any time."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

ContentKind = Literal["output_text", "refusal"]
Status = Literal["in_progress", "completed", "incomplete"]

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class MessageItem:
    """Text and refusal, in the parts in which they came."""

    __slots__ = ("item_id", "parts", "place", "status")

    def __init__(self, item_id: str, place: int) -> None:
        self.item_id = item_id
        self.place = place
        self.status: Status = "in_progress"
        self.parts: list[tuple[ContentKind, list[str]]] = []

    def part(self, index: int) -> dict[str, Any]:
        kind, pieces = self.parts[index]
        return written_part(kind, "".join(pieces))

    def written(self) -> dict[str, Any]:
        return {
            "id": self.item_id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": [self.part(index) for index in range(len(self.parts))],
        }


class CallItem:
    __slots__ = ("call_id", "item_id", "name", "pieces", "place", "status")

    def __init__(self, item_id: str, place: int, call_id: str, name: str) -> None:
        self.item_id = item_id
        self.place = place
        self.status: Status = "in_progress"
        self.call_id = call_id
        self.name = name
        self.pieces: list[str] = []

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    def complete(self) -> bool:
        """Whether nothing can follow: the arguments are a JSON object."""
        try:
            _decode_object(self.arguments.encode())
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def written(self) -> dict[str, Any]:
        return {
            "id": self.item_id,
            "type": "function_call",
            "status": self.status,
            "call_id": self.call_id,
            "name": self.name,
            "arguments": self.arguments,
        }


class ReasoningItem:
    __slots__ = ("item_id", "pieces", "place", "signature", "status")

    def __init__(self, item_id: str, place: int) -> None:
        self.item_id = item_id
        self.place = place
        self.status: Status = "in_progress"
        self.pieces: list[str] = []
        self.signature: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def written(self) -> dict[str, Any]:
        summary = [written_summary(self.text)] if self.pieces else []
        item: dict[str, Any] = {"id": self.item_id, "type": "reasoning", "summary": summary}
        return item if self.signature is None else item | {"encrypted_content": self.signature}


OutputItem = MessageItem | CallItem | ReasoningItem


def written_part(kind: ContentKind, text: str) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def written_summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}
