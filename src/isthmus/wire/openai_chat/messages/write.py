"""Turns to OpenAI's `messages`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Modality, Model
from isthmus.core.chat.request import (
    Audio,
    CacheMark,
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
from isthmus.wire.custom_tools import wrapped
from isthmus.wire.openai_chat.messages.thinking import ORIGIN, given_back
from isthmus.wire.openai_chat.options import Options

Content = list[dict[str, Any]]

_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
}
_KINDS: tuple[tuple[type, Modality], ...] = (
    (Image, "image"),
    (Document, "document"),
    (Audio, "audio"),
    (Video, "video"),
)


class Turns(msgspec.Struct, frozen=True):
    """`fetch`: web addresses of media that this provider takes only by value."""

    messages: list[dict[str, Any]]
    fetch: tuple[str, ...]


def write_messages(messages: Sequence[Message], options: Options, model: Model, receipt: Receipt) -> Turns:
    """Raises `Unsupported` for content that the provider or the model cannot take."""
    writing = _Writing(options, model, receipt)
    written = writing.write(messages)
    return Turns(written, tuple(dict.fromkeys(writing.fetch)))


class _Writing:
    def __init__(self, options: Options, model: Model, receipt: Receipt) -> None:
        self._options = options
        self._model = model
        self._receipt = receipt
        self.fetch: list[str] = []

    def write(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        """A tool message takes text only, so media of tool results follow as a user message, after the whole run of
        results."""
        written: list[dict[str, Any]] = []
        held: Content = []
        for message in messages:
            if message.role != "tool" and held:
                written.append({"role": "user", "content": held})
                held = []
            if message.role == "tool":
                written.extend(self._write_result(message, held))
            elif message.role == "assistant":
                written.append(self._write_assistant(message))
            else:
                is_developer = message.role == "developer" and self._options.developer_role
                role = "developer" if is_developer else message.role.replace("developer", "system")
                written.append(_named({"role": role, "content": _plain(self._content(message.parts)) or ""}, message))
        if held:
            written.append({"role": "user", "content": held})
        return written

    def _write_assistant(self, message: Message) -> dict[str, Any]:
        said = [part for part in message.parts if isinstance(part, Text)]
        if any(text.citations for text in said):
            self._receipt.lost("messages.citations", "this provider takes no citations back")
        texts = self._content(said)
        refusals = [part.text for part in message.parts if isinstance(part, Refusal)]
        calls = [self._write_call(part) for part in message.parts if isinstance(part, ToolCall)]
        written: dict[str, Any] = {"role": "assistant", "content": _plain(texts)}
        if refusals:
            written["refusal"] = "".join(refusals)
        if calls:
            written["tool_calls"] = calls
        elif not texts and not refusals:
            written["content"] = ""
        written.update(self._thinking([part for part in message.parts if isinstance(part, Reasoning)]))
        field = self._options.thinking_field
        if calls and field is not None and self._options.thinking_needed:
            written.setdefault(field, " ")  # a turn of another model, which thought nothing that we know of
        if any(isinstance(part, HostedToolUse) for part in message.parts):
            self._receipt.lost("messages.hosted_tool_use", "another provider ran it")
        return _named(written, message)

    def _thinking(self, blocks: list[Reasoning]) -> dict[str, Any]:
        written: dict[str, Any] = {}
        own = given_back(blocks) if self._options.signatures == ORIGIN else []
        if own:
            written["reasoning_details"] = own
        field, text = self._options.thinking_field, "".join(block.text for block in blocks)
        if field is not None and text:
            written[field] = text
        lost = [block for block in blocks if not self._carries(block)]
        if lost:
            signed = any(block.signature is not None for block in lost)
            why = "it was signed by another provider" if signed else "this provider takes no thinking back"
            self._receipt.lost("messages.reasoning", why)
        elif any(block.signature is not None for block in blocks) and not own:
            self._receipt.emulated("messages.reasoning", "its text is given without what proves it")
        return written

    def _carries(self, block: Reasoning) -> bool:
        if block.text and self._options.thinking_field is not None:
            return True
        return block.signature is not None and block.signature.origin == self._options.signatures == ORIGIN

    def _write_call(self, call: ToolCall) -> dict[str, Any]:
        written: dict[str, Any] = {"id": call.id, "type": "function"}
        if call.custom and "tools.custom" not in self._options.lacks:
            written |= {"type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        else:
            arguments = call.arguments or "{}"
            if call.custom:
                self._receipt.emulated("tools.custom", "it is asked for as a function with one string")
                arguments = wrapped(call.arguments)
            written["function"] = {"name": call.name, "arguments": arguments}
        signature = call.signature
        if signature is not None and signature.origin == self._options.signatures == "google":
            written["extra_content"] = {"google": {"thought_signature": signature.data}}
        elif signature is not None:
            self._receipt.lost("messages.reasoning", "it was signed by another provider")
        return written

    def _write_result(self, message: Message, held: Content) -> Iterator[dict[str, Any]]:
        for result in message.parts:
            if not isinstance(result, ToolResult):
                continue
            content = self._content(result.parts, result.cache)
            texts = [part for part in content if part["type"] == "text"]
            if len(texts) < len(content):
                held.extend(part for part in content if part["type"] != "text")
                self._receipt.emulated("messages.tool_result", "what is not text in it follows in a user message")
            if result.is_error:
                first = texts[0] if texts else {"type": "text", "text": ""}
                texts[:1] = [first | {"text": f"Error: {first['text']}"}]
                self._receipt.emulated("messages.tool_result.is_error", "the text says so")
            yield {"role": "tool", "tool_call_id": result.call_id, "content": _plain(texts) or ""}

    # --- content ----------------------------------------------------------------------------------------------------

    def _content(self, parts: Iterable[Part], mark: CacheMark | None = None) -> Content:
        content: Content = []
        for part in parts:
            self._check_input(part)
            written = self._part(part)
            cache = getattr(part, "cache", None)
            if written and cache is not None:
                self._mark(written[-1], cache)
            content += written
        if content and mark is not None:
            self._mark(content[-1], mark)
        return content

    def _check_input(self, part: Part) -> None:
        known = self._model.input
        if known is None or (isinstance(part, Document) and part.text is not None):
            return
        for kind, modality in _KINDS:
            if isinstance(part, kind) and modality not in known:
                raise Unsupported(f"`messages`: the model '{self._model.name}' takes no {modality}.", param="messages")

    def _mark(self, part: dict[str, Any], mark: CacheMark) -> None:
        if self._options.cache_control:
            part["cache_control"] = write_mark(mark)

    def _part(self, part: Part) -> Content:
        if isinstance(part, Text):
            return [{"type": "text", "text": part.text}]
        if isinstance(part, Image):
            image = {"url": self._image_url(part)}
            return [
                {"type": "image_url", "image_url": image if part.detail is None else image | {"detail": part.detail}}
            ]
        if isinstance(part, Document):
            return self._document(part)
        if isinstance(part, Audio):
            form = _AUDIO_FORMATS.get(part.media_type)
            if form is None:
                raise Unsupported(
                    f"`messages`: this provider takes sound as WAV or MP3, not {part.media_type[:64]}.",
                    param="messages",
                )
            return [{"type": "input_audio", "input_audio": {"data": part.base64, "format": form}}]
        if isinstance(part, Video):
            if "messages.video" in self._options.lacks:
                raise Unsupported("`messages`: this provider takes no video.", param="messages")
            return [{"type": "video_url", "video_url": {"url": self._url(part.url, part.media_type, part.base64)}}]
        return []

    def _image_url(self, image: Image) -> str:
        if image.file is not None:
            raise Unsupported("`messages`: this provider takes no image by a file's id.", param="messages")
        return self._url(image.url, image.media_type, image.base64)

    def _url(self, url: str | None, media_type: str | None, base64: str | None) -> str:
        if url is None:
            return f"data:{media_type};base64,{base64}"
        if self._options.media_by_value:
            self.fetch.append(url)
        return url

    def _document(self, document: Document) -> Content:
        if document.cite:
            self._receipt.lost("messages.citations", "this provider cites no documents")
        content: Content = []
        if document.context is not None:
            content.append({"type": "text", "text": document.context})
            self._receipt.emulated("messages.document.context", "it stands before the document")
        if document.text is not None:
            named = document.text if document.name is None else f"{document.name}\n\n{document.text}"
            self._receipt.emulated("messages.document", "its text is part of the message")
            return [*content, {"type": "text", "text": named}]
        return [*content, {"type": "file", "file": self._file(document)}]

    def _file(self, document: Document) -> dict[str, Any]:
        if document.file is not None:
            if document.file.origin != "openai" or "messages.file_id" in self._options.lacks:
                raise Unsupported("`messages`: the file is another provider's. Send what it holds.", param="messages")
            file: dict[str, Any] = {"file_id": document.file.data}
            return file if document.name is None else file | {"filename": document.name}
        if document.url is not None:
            self.fetch.append(document.url)
            data = document.url
        else:
            data = f"data:{document.media_type};base64,{document.base64}"
        return {"filename": document.name or "document.pdf", "file_data": data}


def write_mark(mark: CacheMark) -> dict[str, str]:
    return {"type": "ephemeral"} if mark.ttl is None else {"type": "ephemeral", "ttl": mark.ttl}


def _plain(parts: Content) -> str | Content | None:
    """One text as the string that every server reads; parts only where there is need."""
    if not parts:
        return None
    if len(parts) == 1 and parts[0]["type"] == "text" and len(parts[0]) == 2:
        text: str = parts[0]["text"]
        return text
    return parts


def _named(written: dict[str, Any], message: Message) -> dict[str, Any]:
    if message.name is not None:
        written["name"] = message.name
    return written
