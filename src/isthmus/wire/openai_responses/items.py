"""The items of a Responses request: a turn of the assistant, which OpenAI takes apart into items, is put together."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import (
    Audio,
    CacheMark,
    Citation,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.media import WEB_URL, checked_base64, data_url
from isthmus.wire.openai_responses import schema
from isthmus.wire.openai_responses.opaque import ORIGIN, read_annotation, read_hosted, read_signature
from isthmus.wire.openai_responses.state import compaction
from isthmus.wire.openai_responses.tools import joined_name
from isthmus.wire.sealed import unseal_id
from isthmus.wire.unknown_fields import read_nested

_TEXTS = frozenset(("input_text", "output_text", "text"))
_PLACED = frozenset(
    ("message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning")
)
_OUTPUTS = frozenset(("function_call_output", "custom_tool_call_output"))
# What stands for things said before, which only OpenAI has or can read.
_STATE = frozenset(("item_reference", "compaction", "compaction_trigger"))
_NOWHERE = "no other dialect has it"

_decode_item = msgspec.json.Decoder(schema.StrictItem).decode
_decode_kind = msgspec.json.Decoder(schema.Kind).decode


class ItemsReading:
    """What an assistant said, thought and called, one after the other, is one message: its calls' results follow it in
    the dialects that know messages only."""

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._messages: list[Message] = []
        self._spoken: list[Part] = []
        self._said = 0  # characters of text in what was spoken

    def read(self, items: Iterable[msgspec.Raw]) -> tuple[Message, ...]:
        """Raises `InvalidRequest`, or `Unsupported` for items that stand for what is kept at OpenAI."""
        for index, raw in enumerate(items):
            self._read(bytes(raw), f"input.{index}")
        self._end_turn()
        if not self._messages:
            raise InvalidRequest("`input` must hold at least one item that says something.", param="input")
        return tuple(self._messages)

    def _read(self, raw: bytes, at: str) -> None:
        summary = compaction.opened(raw)
        if summary is not None:
            self._listen(Message(role="user", parts=(Text(text=compaction.told(summary)),)))
            return
        item = self._item(raw, at)
        if item is None:
            hosted = read_hosted(raw)
            if hosted is not None:
                self._spoken.append(hosted)
        elif item.type in _OUTPUTS:
            self._listen(Message(role="tool", parts=(self._result(item, at),)))
        elif item.type == "message" and item.role != "assistant":
            if item.role is None:
                raise InvalidRequest(f"`{at}.role` is required.", param=f"{at}.role")
            self._listen(Message(role=item.role, parts=tuple(self._content(item, at))))
        else:
            self._speak(item, at)

    def _listen(self, message: Message) -> None:
        self._end_turn()
        self._messages.append(message)

    def _item(self, raw: bytes, at: str) -> schema.Item | None:
        """None for an item that goes as it came."""
        item: schema.Item | None = None
        try:
            item = _decode_item(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            kind = _kind(raw)
        else:
            kind = item.type
        if kind and kind not in _PLACED:
            if kind in _STATE:
                raise _kept(kind, at)
            return None
        if item is None or not kind:
            item = self._carefully(raw, at)
        if item.type not in _PLACED:
            raise InvalidRequest(f"`{at}.type` must not be empty.", param=f"{at}.type")
        return item

    def _carefully(self, raw: bytes, at: str) -> schema.Item:
        item, unplaced = read_nested(schema.ITEM, raw, at)
        for name in unplaced:
            self._receipt.lost(f"input.{name}", _NOWHERE)
        return item

    def _end_turn(self) -> None:
        if self._spoken:
            self._messages.append(Message(role="assistant", parts=tuple(self._spoken)))
        self._spoken = []
        self._said = 0

    def _speak(self, item: schema.Item, at: str) -> None:
        if item.type == "message":
            for part in self._content(item, at):
                if not isinstance(part, Text) or part.text:
                    self._spoken.append(part)
        elif item.type == "reasoning":
            self._spoken += _reasoning(item)
        else:
            self._spoken.append(_call(item, at))

    def _content(self, item: schema.Item, at: str) -> Iterable[Part]:
        if isinstance(item.content, str):
            self._said += len(item.content)
            return [Text(text=item.content)]
        if item.content is None:
            raise InvalidRequest(f"`{at}.content` must be a string or an array of parts.", param=f"{at}.content")
        return [self._part(part, item.role, f"{at}.content.{index}") for index, part in enumerate(item.content)]

    def _part(self, part: schema.Content, role: str | None, at: str) -> Part:
        if part.type == "refusal" and role == "assistant":
            return Refusal(text=_required(part.refusal, f"{at}.refusal"))
        if part.type in _TEXTS:
            return self._text(part, at)
        if role not in ("user", None):
            raise _misplaced(part, at)
        return self._seen(part, at)

    def _text(self, part: schema.Content, at: str) -> Text:
        text = _required(part.text, f"{at}.text")
        citations: tuple[Citation, ...] = ()
        if part.annotations:
            read = (read_annotation(annotation, self._said) for annotation in part.annotations)
            citations = tuple(citation for citation in read if citation is not None)
        self._said += len(text)
        return Text(text=text, citations=citations, cache=self._cache(part))

    def _seen(self, part: schema.Content, at: str) -> Image | Document | Audio:
        if part.type == "input_image":
            return self._image(part, at)
        if part.type == "input_file":
            return self._file(part, at)
        if part.type == "input_audio":
            return self._audio(part, at)
        raise _misplaced(part, at)

    def _image(self, part: schema.Content, at: str) -> Image:
        cache = self._cache(part)
        if part.file_id is not None:
            return Image(file=Opaque(origin=ORIGIN, data=part.file_id), detail=part.detail, cache=cache)
        url, here = part.image_url, f"{at}.image_url"
        if url is None:
            raise InvalidRequest(f"`{here}` or `file_id` is required.", param=here)
        inline = data_url(url)
        if inline is not None:
            kind = checked_base64(inline[1], inline[0], here)
            return Image(base64=inline[1], media_type=kind, detail=part.detail, cache=cache)
        if WEB_URL.match(url):
            return Image(url=url, detail=part.detail, cache=cache)
        raise InvalidRequest(f"`{here}` must be an http or https URL, or an image's data URL in base64.", param=here)

    def _file(self, part: schema.Content, at: str) -> Document:
        if part.detail not in (None, "auto"):
            self._receipt.lost("input.content.detail", "no other dialect has it for files")
        cache, name = self._cache(part), part.filename
        if part.file_id is not None:
            return Document(file=Opaque(origin=ORIGIN, data=part.file_id), name=name, cache=cache)
        if part.file_url is not None:
            if not WEB_URL.match(part.file_url):
                here = f"{at}.file_url"
                raise InvalidRequest(f"`{here}` must be an http or https URL.", param=here)
            return Document(url=part.file_url, name=name, cache=cache)
        here = f"{at}.file_data"
        if part.file_data is None:
            raise InvalidRequest(f"`{here}`, `file_url` or `file_id` is required.", param=here)
        # OpenAI takes the bare base64 too, and goes by the name then.
        bare = "application/pdf" if (name or ".pdf").lower().endswith(".pdf") else "application/octet-stream"
        said, data = data_url(part.file_data) or (bare, part.file_data)
        kind = checked_base64(data, said, here)
        if kind == "text/plain" and (text := _plain_text(data)) is not None:
            return Document(text=text, name=name, cache=cache)
        return Document(base64=data, media_type=kind, name=name, cache=cache)

    def _audio(self, part: schema.Content, at: str) -> Audio:
        here = f"{at}.input_audio"
        if part.input_audio is None:
            raise InvalidRequest(f"`{here}` is required.", param=here)
        said = f"audio/{part.input_audio.format}"
        kind = checked_base64(part.input_audio.data, said, f"{here}.data")
        return Audio(base64=part.input_audio.data, media_type=kind, cache=self._cache(part))

    def _cache(self, part: schema.Content) -> CacheMark | None:
        mark = part.prompt_cache_breakpoint
        if mark is None:
            return None
        if mark.ttl is not None:
            self._receipt.lost("input.content.prompt_cache_breakpoint.ttl", "no other provider keeps prompts so long")
        return CacheMark()

    def _result(self, item: schema.Item, at: str) -> ToolResult:
        call_id, _ = unseal_id(_required(item.call_id, f"{at}.call_id"))
        custom = item.type == "custom_tool_call_output"
        if isinstance(item.output, str):
            return ToolResult(call_id=call_id, parts=(Text(text=item.output),), custom=custom)
        if item.output is None:
            raise InvalidRequest(f"`{at}.output` must be a string or an array of parts.", param=f"{at}.output")
        parts: list[Text | Image | Document | Audio] = []
        for index, part in enumerate(item.output):
            here = f"{at}.output.{index}"
            parts.append(self._text(part, here) if part.type in _TEXTS else self._seen(part, here))
        return ToolResult(call_id=call_id, parts=tuple(parts), custom=custom)


def _kept(kind: str, at: str) -> Unsupported:
    return Unsupported(
        f"`{at}.type`: items of type `{kind}` stand for what only OpenAI keeps or reads. Send all of it.",
        param=f"{at}.type",
    )


def _call(item: schema.Item, at: str) -> ToolCall:
    custom = item.type == "custom_tool_call"
    call_id, signature = unseal_id(_required(item.call_id, f"{at}.call_id"))
    name = joined_name(item.namespace, _required(item.name, f"{at}.name"))
    written = _required(item.input, f"{at}.input") if custom else _required(item.arguments, f"{at}.arguments")
    return ToolCall(id=call_id, name=name, arguments=written, custom=custom, signature=signature)


def _reasoning(item: schema.Item) -> list[Part]:
    """The thinking itself where there is any, else its summary."""
    content = item.content if isinstance(item.content, tuple) else ()
    texts = [part.text for part in content if part.text] or [part.text for part in item.summary or () if part.text]
    text = "\n\n".join(texts)
    if not item.encrypted_content:
        return [Reasoning(text=text)] if text else []
    item_id = None if item.id is None else unseal_id(item.id)[0]
    signature, redacted = read_signature(item_id, item.encrypted_content, text)
    return [Reasoning(text=text, signature=signature, redacted=redacted)]


def _plain_text(data: str) -> str | None:
    try:
        return b64decode(data).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _kind(raw: bytes) -> str:
    """Empty for what is no object with a `type`."""
    try:
        return _decode_kind(raw).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _misplaced(part: schema.Content, at: str) -> InvalidRequest:
    return InvalidRequest(f"`{at}.type`: parts of type {part.type[:64]!r} cannot stand here.", param=f"{at}.type")


def _required(value: str | None, at: str) -> str:
    if value is None:
        raise InvalidRequest(f"`{at}` is required and must be a string.", param=at)
    return value
