"""The turns of a conversation as items for OpenAI: what an assistant said, thought and called is taken apart."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Modality, Model
from isthmus.core.chat.request import (
    Audio,
    Document,
    HostedToolUse,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from isthmus.errors import Unsupported
from isthmus.wire.openai_responses.opaque import ORIGIN, opened, own_item, written_annotation

CALL_ID_MAX_CHARS = 64

_SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}
_EXTENSIONS = {"application/pdf": "pdf", "text/plain": "txt", "text/csv": "csv", "text/html": "html"}


class TurnsWriting:
    def __init__(self, model: Model, receipt: Receipt) -> None:
        self._model = model
        self._receipt = receipt
        self._customs: set[str] = set()  # ids of calls of custom tools

    def items(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        """Raises `Unsupported` for content that would be missing from the question."""
        return [item for at, message in enumerate(messages) for item in self._items(message, at)]

    def _items(self, message: Message, at: int) -> Iterator[dict[str, Any]]:
        if message.name is not None:
            self._receipt.lost("messages.name", "this provider's messages have no names")
        if message.role == "tool":
            yield from (self._result(part) for part in message.parts if isinstance(part, ToolResult))
        elif message.role == "assistant":
            items = list(self._turn(message, at))
            while items and items[-1]["type"] == "reasoning":
                # OpenAI refuses thinking that nothing follows.
                items.pop()
                self._receipt.lost("messages.reasoning", "nothing follows it in its turn")
            yield from items
        else:
            yield {"type": "message", "role": message.role, "content": self._content(message.parts)}

    def _turn(self, message: Message, at: int) -> Iterator[dict[str, Any]]:
        said: list[Text | Refusal] = []
        before = 0  # characters of text in the items that are written already
        for index, part in enumerate(message.parts):
            if isinstance(part, Text | Refusal):
                said.append(part)
                continue
            item = self._item(part)
            if item is not None:
                yield from self._said(said, f"msg_{at}_{index}", before)
                before += sum(len(spoken.text) for spoken in said if isinstance(spoken, Text))
                said = []
                yield item
        yield from self._said(said, f"msg_{at}", before)

    def _item(self, part: Part) -> dict[str, Any] | None:
        if isinstance(part, ToolCall):
            return self._call(part)
        if isinstance(part, Reasoning):
            return self._reasoning(part)
        if isinstance(part, HostedToolUse):
            item = own_item(part)
            if item is None:
                self._receipt.lost("messages.hosted_tool_use", "another provider ran it")
            return item
        return None

    def _reasoning(self, part: Reasoning) -> dict[str, Any] | None:
        held = None if part.signature is None else opened(part.signature)
        if held is None:
            why = "it was signed by another provider" if part.signature else "this provider takes its own thinking only"
            self._receipt.lost("messages.reasoning", why)
            return None
        item_id, encrypted = held
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        item: dict[str, Any] = {"type": "reasoning", "summary": summary, "encrypted_content": encrypted}
        return item if item_id is None else {"id": item_id, **item}

    def _call(self, part: ToolCall) -> dict[str, Any]:
        if part.signature is not None:
            self._receipt.lost("messages.reasoning", "it was signed by another provider")
        call = {"call_id": fitting_id(part.id), "name": part.name}
        if part.custom:
            self._customs.add(part.id)
            return {"type": "custom_tool_call", **call, "input": part.arguments}
        return {"type": "function_call", **call, "arguments": part.arguments or "{}"}

    def _said(self, parts: list[Text | Refusal], item_id: str, before: int) -> Iterator[dict[str, Any]]:
        """Plain text as the string that every server reads; with a refusal or a source in it, the whole item, which
        needs an id (one that no other item has)."""
        if not parts:
            return
        if all(isinstance(part, Text) and not part.citations for part in parts):
            yield {"type": "message", "role": "assistant", "content": "".join(part.text for part in parts)}
            return
        content: list[dict[str, Any]] = []
        for part in parts:
            if isinstance(part, Refusal):
                content.append({"type": "refusal", "refusal": part.text})
                continue
            annotations = self._annotations(part, before)
            content.append({"type": "output_text", "text": part.text, "annotations": annotations, "logprobs": []})
            before += len(part.text)
        yield {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": content}

    def _annotations(self, text: Text, before: int) -> list[dict[str, Any]]:
        span = (0, len(text.text))
        written = [written_annotation(citation, before, span) for citation in text.citations]
        kept = [annotation for annotation in written if annotation is not None]
        if len(kept) < len(written):
            self._receipt.lost("messages.citations", "this provider cites web pages and its own files only")
        return kept

    def _result(self, result: ToolResult) -> dict[str, Any]:
        custom = result.custom or result.call_id in self._customs
        kind = "custom_tool_call_output" if custom else "function_call_output"
        return {"type": kind, "call_id": fitting_id(result.call_id), "output": self._output(result)}

    def _output(self, result: ToolResult) -> str | list[dict[str, Any]]:
        """There is no field for a failed call: the text says so."""
        if any(isinstance(part, Audio | Video) for part in result.parts):
            raise Unsupported("This provider takes no sound or film as a tool's result.", param="messages")
        content = self._content(result.parts) or ""
        if not result.is_error:
            return content
        self._receipt.emulated("messages.tool_result.is_error", "the text says so")
        if isinstance(content, str):
            return f"Error: {content}"
        return [{"type": "input_text", "text": "Error:"}, *content]

    def _content(self, parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
        written = [piece for part in parts for piece in self._pieces(part)]
        if len(written) == 1 and written[0]["type"] == "input_text":
            text: str = written[0]["text"]
            return text
        return written

    def _pieces(self, part: Part) -> Iterator[dict[str, Any]]:
        if isinstance(part, Text):
            yield {"type": "input_text", "text": part.text}
        elif isinstance(part, Image):
            yield self._image(part)
        elif isinstance(part, Document):
            if part.context:
                self._receipt.emulated("messages.document.context", "it goes as text before the document")
                yield {"type": "input_text", "text": part.context}
            yield self._file(part)
        elif isinstance(part, Audio):
            yield self._audio(part)
        elif isinstance(part, Video):
            raise Unsupported("This provider takes no video.", param="messages")

    def _image(self, image: Image) -> dict[str, Any]:
        self._must_take("image")
        written = {"type": "input_image", "detail": image.detail or "auto"}
        if image.file is not None:
            return written | {"file_id": _own_file(image.file.origin, image.file.data)}
        url = image.url if image.url is not None else f"data:{image.media_type};base64,{image.base64}"
        return written | {"image_url": url}

    def _file(self, document: Document) -> dict[str, Any]:
        self._must_take("document" if document.text is None else "text")
        if document.cite:
            self._receipt.lost("messages.document.citations", "this provider cites no documents of a request")
        written = {"type": "input_file"}
        if document.file is not None:
            written["file_id"] = _own_file(document.file.origin, document.file.data)
        elif document.url is not None:
            written["file_url"] = document.url
        else:
            return written | _file_data(document)
        if document.name is not None:
            self._receipt.lost("messages.document.name", "files by address or id have no other name here")
        return written

    def _audio(self, audio: Audio) -> dict[str, Any]:
        self._must_take("audio")
        kind = _SOUNDS.get(audio.media_type)
        if kind is None:
            raise Unsupported("This provider takes sound as wav or mp3 only.", param="messages")
        return {"type": "input_audio", "input_audio": {"data": audio.base64, "format": kind}}

    def _must_take(self, kind: Modality) -> None:
        if self._model.input is not None and kind not in self._model.input:
            raise Unsupported(f"This model cannot be given content of the kind {kind}.", param="messages")


def fitting_id(call_id: str) -> str:
    """Other vendors' ids may be longer than OpenAI lets them be; call and result get the same one."""
    if len(call_id) <= CALL_ID_MAX_CHARS:
        return call_id
    return "call_" + sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _file_data(document: Document) -> dict[str, Any]:
    """OpenAI goes by the name's ending, so that a file must have one."""
    kind, data = document.media_type or "application/pdf", document.base64
    if data is None:
        kind, data = "text/plain", b64encode((document.text or "").encode()).decode()
    name = document.name or f"document.{_EXTENSIONS.get(kind, 'bin')}"
    return {"filename": name, "file_data": f"data:{kind};base64,{data}"}


def _own_file(origin: str, file_id: str) -> str:
    if origin != ORIGIN:
        raise Unsupported("A file that another provider keeps cannot be given to this one.", param="messages")
    return file_id
