"""The output items of an answer being written: each grows until it is closed, and can be written down at any time."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from isthmus.core.chat.event import TokenLogprob, ToolCallStarted
from isthmus.core.chat.part import Citation, Opaque
from isthmus.wire.custom_tools import Unwrapping
from isthmus.wire.openai_responses.answer import written_logprobs
from isthmus.wire.openai_responses.opaque import written_annotation, written_signature
from isthmus.wire.openai_responses.tools import parted_name
from isthmus.wire.sealed import seal_id

ContentKind = Literal["output_text", "refusal"]
Status = Literal["in_progress", "completed", "incomplete"]

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class MessagePart:
    """A stretch of text, or of refusal. `before`: how much text of the answer came before it."""

    __slots__ = ("_cited", "annotations", "before", "kind", "logprobs", "pieces")

    def __init__(self, kind: ContentKind, before: int) -> None:
        self.kind = kind
        self.before = before
        self.pieces: list[str] = []
        self.logprobs: list[TokenLogprob] = []
        self.annotations: list[dict[str, Any]] = []
        self._cited = (0, 0)  # the stretch that the last source without a place of its own is about

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def cite(self, citation: Citation) -> dict[str, Any] | None:
        """The annotation that is made of it; None where there is no form for it."""
        size = sum(map(len, self.pieces))
        if self._cited[1] < size:
            self._cited = (self._cited[1], size)
        annotation = written_annotation(citation, self.before, self._cited)
        if annotation is not None:
            self.annotations.append(annotation)
        return annotation

    def written(self) -> dict[str, Any]:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": self.text}
        logprobs = written_logprobs(self.logprobs)
        return {"type": "output_text", "text": self.text, "annotations": self.annotations, "logprobs": logprobs}


class MessageItem:
    """Text and refusal, in the parts in which they came."""

    __slots__ = ("item_id", "parts", "place", "status")

    def __init__(self, item_id: str, place: int) -> None:
        self.item_id = item_id
        self.place = place
        self.status: Status = "in_progress"
        self.parts: list[MessagePart] = []

    def written(self) -> dict[str, Any]:
        return {
            "id": self.item_id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": [part.written() for part in self.parts],
        }


class CallItem:
    """A call of a function, or of a custom tool: what a provider without custom tools calls is a function, whose
    arguments hold the text."""

    __slots__ = ("_name", "_unwrapping", "_wrapped", "call_id", "custom", "item_id", "pieces", "place", "status")

    def __init__(self, item_id: str, place: int, call: ToolCallStarted, *, custom: bool) -> None:
        self.item_id = item_id
        self.place = place
        self.status: Status = "in_progress"
        self.call_id = seal_id(call.id, call.signature)
        self.custom = custom
        self.pieces: list[str] = []
        self._name = call.name
        self._unwrapping = Unwrapping() if custom and not call.custom else None
        self._wrapped: list[str] = []

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    @property
    def name(self) -> str:
        return parted_name(self._name)[1]

    def add(self, arguments: str) -> str:
        """What of it the caller is told."""
        if self._unwrapping is not None:
            self._wrapped.append(arguments)
            arguments = self._unwrapping.feed(arguments)
        self.pieces.append(arguments)
        return arguments

    def end(self) -> str:
        """What was held back of the text."""
        rest = "" if self._unwrapping is None else self._unwrapping.close()
        self.pieces.append(rest)
        return rest

    def complete(self, free_text: bool) -> bool:
        """Whether nothing can follow: the arguments are a JSON object. Of free text the caller says."""
        if self.custom and self._unwrapping is None:
            return free_text
        try:
            _decode_object("".join(self._wrapped or self.pieces).encode())
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def written(self) -> dict[str, Any]:
        namespace, name = parted_name(self._name)
        written: dict[str, Any] = {
            "id": self.item_id,
            "type": "custom_tool_call" if self.custom else "function_call",
            "status": self.status,
            "call_id": self.call_id,
            "name": name,
            "input" if self.custom else "arguments": self.arguments,
        }
        return written if namespace is None else written | {"namespace": namespace}


class ReasoningItem:
    """`kept`: the caller wants it in a form that can be sent again."""

    __slots__ = ("_kept", "item_id", "pieces", "place", "redacted", "signature", "status")

    def __init__(self, item_id: str, place: int, *, kept: bool) -> None:
        self.item_id = item_id
        self.place = place
        self.status: Status = "in_progress"
        self.pieces: list[str] = []
        self.signature: Opaque | None = None
        self.redacted = False
        self._kept = kept

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def written(self) -> dict[str, Any]:
        summary = [written_summary(self.text)] if self.pieces else []
        item: dict[str, Any] = {"id": self.item_id, "type": "reasoning", "summary": summary}
        if self.signature is None or not self._kept:
            return item
        return item | {"encrypted_content": written_signature(self.signature, self.redacted)}


class HostedItem:
    """What the provider ran itself, all of it known when it is told. `begun` is how it looked before it was over."""

    __slots__ = ("_item", "item_id", "place", "status")

    def __init__(self, item: dict[str, Any], place: int) -> None:
        self.item_id = str(item.get("id") or "")
        self.place = place
        self.status: Status = "completed"
        self._item = item

    @property
    def kind(self) -> str:
        return str(self._item.get("type", ""))

    def begun(self) -> dict[str, Any]:
        item = {name: value for name, value in self._item.items() if name != "encrypted_content"}
        return item | {"status": "in_progress"} if "status" in item else item

    def written(self) -> dict[str, Any]:
        return self._item


OutputItem = MessageItem | CallItem | ReasoningItem | HostedItem


def written_summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}
