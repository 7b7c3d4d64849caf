"""The contents of a caller's request as messages: results become messages of their own, a model's turn that a stream
left in pieces becomes one again, and calls without an id are given one."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import (
    Audio,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.gemini import schema, signatures
from isthmus.wire.gemini.google_tools import HostedUses, hosted_part
from isthmus.wire.gemini.signatures import OWN
from isthmus.wire.media import WEB_URL, checked_base64

YOUTUBE = re.compile(r"https?://((www|m)\.)?(youtube\.com|youtu\.be)/", re.IGNORECASE)
_GOOGLES = re.compile(r"(gs://|files/|https://generativelanguage\.googleapis\.com/)", re.IGNORECASE)
_TYPE_OF_SUFFIX = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "gif": "image/gif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "mp4": "video/mp4",
    "mov": "video/mov",
    "webm": "video/webm",
}
_DETAILS = {"MEDIA_RESOLUTION_LOW": "low", "MEDIA_RESOLUTION_HIGH": "high"}

Seen = Text | Image | Document | Audio | Video


def type_of_url(url: str) -> str | None:
    """What the end of an address says that it is."""
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    return _TYPE_OF_SUFFIX.get(path.rpartition("/")[2].rpartition(".")[2].lower())


def detail_of(resolution: str | None) -> str | None:
    return _DETAILS.get((resolution or "").upper())


class Contents:
    """Reads one request's contents. `detail` is that of images that say none; `detailed`: there was one of these."""

    def __init__(self, receipt: Receipt, detail: str | None) -> None:
        self.detailed = False
        self._receipt = receipt
        self._detail = detail
        self._messages: list[Message] = []
        self._turn: list[Part] = []  # of the model, as far as it was read
        self._open: list[ToolCall] = []  # calls without a result so far
        self._given: set[str] = set()  # ids of the caller's own
        self._made = 0
        self._hosted = HostedUses(self._make_id)

    def read(self, contents: tuple[schema.Content, ...]) -> tuple[Message, ...]:
        if not contents:
            raise InvalidRequest("`contents` must hold at least one content.", param="contents")
        self._given = {
            part.function_call.id
            for content in contents
            for part in content.parts or ()
            if part.function_call is not None and part.function_call.id
        }
        for index, content in enumerate(contents):
            at = f"contents.{index}"
            role = (content.role or "user").lower()
            if not content.parts:
                raise InvalidRequest(f"`{at}.parts` must hold at least one part.", param=f"{at}.parts")
            if role == "model":
                for number, part in enumerate(content.parts):
                    self._spoken(part, f"{at}.parts.{number}")
            elif role in ("user", "function"):
                self._end_turn()
                self._user(content.parts, at)
            else:
                raise InvalidRequest(f"`{at}.role` must be user or model.", param=f"{at}.role")
        self._end_turn()
        return tuple(self._messages)

    def _make_id(self) -> str:
        """Alike whenever the same conversation comes again: providers cache by what they are sent."""
        while True:
            self._made += 1
            id_ = f"call_{self._made}"
            if id_ not in self._given:
                return id_

    # --- a model's turn ---

    def _end_turn(self) -> None:
        self._turn += self._hosted.rest()
        if self._turn:
            self._messages.append(Message(role="assistant", parts=tuple(self._turn)))
            self._turn = []

    def _spoken(self, part: schema.Part, at: str) -> None:
        if part.function_call is not None:
            self._call(part, part.function_call, at)
        elif hosted := hosted_part(part):
            use = self._hosted.add(hosted)
            if use is not None:
                self._turn.append(use)
        elif part.text is not None or part.thought_signature:
            self._said(part)
        elif part.inline_data is not None or part.file_data is not None:
            self._receipt.lost("contents.parts.inlineData", "no other dialect has media in a model's turn")
        else:
            raise _nothing(at)

    def _said(self, part: schema.Part) -> None:
        """A thought's signature is often in a piece of its own, behind the thought's text or the answer's."""
        signature = signatures.read(part.thought_signature)
        text = part.text or ""
        if part.thought or (signature is not None and signature.opaque.origin != OWN):
            self._thought(text, signature)
            return
        if text:
            last = self._turn[-1] if self._turn else None
            if isinstance(last, Text):
                self._turn[-1] = Text(text=last.text + text)
            else:
                self._turn.append(Text(text=text))
        if signature is not None:
            self._turn.append(Reasoning(text="", signature=signature.opaque))

    def _thought(self, text: str, signature: signatures.Signature | None) -> None:
        if signature is not None and signature.redacted:
            self._turn.append(Reasoning(text="", signature=signature.opaque, redacted=True))
            return
        last = self._turn[-1] if self._turn else None
        if isinstance(last, Reasoning) and last.signature is None:
            text = last.text + text
            self._turn.pop()
        if signature is not None:
            self._turn.append(Reasoning(text=text or signature.text, signature=signature.opaque))
        elif text:
            self._turn.append(Reasoning(text=text))

    def _call(self, part: schema.Part, call: schema.FunctionCall, at: str) -> None:
        if not call.name:
            raise InvalidRequest(f"`{at}.functionCall.name` is required.", param=f"{at}.functionCall.name")
        signature = signatures.read(part.thought_signature)
        read = ToolCall(
            id=call.id or self._make_id(),
            name=call.name,
            arguments=_json_text(call.args or {}, f"{at}.functionCall.args"),
            signature=None if signature is None else signature.opaque,
        )
        self._turn.append(read)
        self._open.append(read)

    # --- a user's turn ---

    def _user(self, parts: tuple[schema.Part, ...], at: str) -> None:
        """Results first, each a message; then what the user says."""
        seen: list[Part] = []
        for number, part in enumerate(parts):
            here = f"{at}.parts.{number}"
            if part.function_response is not None:
                result = self._result(part.function_response, f"{here}.functionResponse")
                self._messages.append(Message(role="tool", parts=(result,)))
            elif part.text is not None:
                seen += [Text(text=part.text)] if part.text else []
            elif part.inline_data is not None:
                seen.append(self._detailed(inline(part.inline_data, f"{here}.inlineData"), part.media_resolution))
            elif part.file_data is not None:
                seen.append(self._detailed(filed(part.file_data, f"{here}.fileData"), part.media_resolution))
            elif part.function_call is not None or hosted_part(part):
                raise InvalidRequest(f"`{here}`: only a turn of the model may hold this.", param=here)
            else:
                raise _nothing(here)
        if seen:
            self._messages.append(Message(role="user", parts=tuple(seen)))

    def _detailed(self, seen: Seen, resolution: schema.MediaResolution | None) -> Seen:
        detail = detail_of(resolution.level) if resolution is not None else None
        if not isinstance(seen, Image) or not (detail or self._detail):
            return seen
        self.detailed |= detail is None
        return msgspec.structs.replace(seen, detail=detail or self._detail)

    def _result(self, result: schema.FunctionResponse, at: str) -> ToolResult:
        if not result.name:
            raise InvalidRequest(f"`{at}.name` is required.", param=f"{at}.name")
        call = self._answered(result, at)
        texts, is_error = _told(result.response or {}, f"{at}.response")
        shown: list[Seen] = [Text(text=text) for text in texts]
        for number, part in enumerate(result.parts or ()):
            here = f"{at}.parts.{number}"
            if part.inline_data is not None:
                shown.append(self._detailed(inline(part.inline_data, f"{here}.inlineData"), None))
            elif part.file_data is not None:
                shown.append(self._detailed(filed(part.file_data, f"{here}.fileData"), None))
        return ToolResult(call_id=call.id, parts=tuple(shown), is_error=is_error, name=result.name)

    def _answered(self, result: schema.FunctionResponse, at: str) -> ToolCall:
        """By id where a call has it (some callers make ids up for their results); else by name, the first one first."""
        for by_id in (True, False):
            for index, call in enumerate(self._open):
                if (result.id == call.id) if by_id else (result.name == call.name and result.id not in self._given):
                    return self._open.pop(index)
        raise InvalidRequest(f"`{at}`: no function call before it is still without its result.", param=at)


def _told(response: dict[str, Any], at: str) -> tuple[list[str], bool]:
    """Google's documents say `output` and `error`, its SDKs `result`; any other object is the output itself."""
    if len(response) == 1:
        ((name, value),) = response.items()
        if name in ("output", "result", "error"):
            text = value if isinstance(value, str) else _json_text(value, at)
            return [text] if text else [], name == "error"
    return [_json_text(response, at)], False


def _json_text(value: Any, at: str) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        raise InvalidRequest(f"`{at}` is nested too deeply.", param=at) from None


def inline(blob: schema.Blob, at: str) -> Seen:
    """Bytes may be in either alphabet of base64, and without padding."""
    if not blob.mime_type or not blob.data:
        missing = "mimeType" if not blob.mime_type else "data"
        raise InvalidRequest(f"`{at}.{missing}` is required.", param=f"{at}.{missing}")
    data = blob.data.replace("-", "+").replace("_", "/")
    data += "=" * (-len(data) % 4)
    given = blob.mime_type.lower()
    kind, _, _ = given.partition(";")
    checked = checked_base64(data, kind, f"{at}.data")
    if kind.startswith("image/"):
        return Image(base64=data, media_type=checked)
    if kind.startswith("audio/"):
        return Audio(base64=data, media_type=given)
    if kind.startswith("video/"):
        return Video(base64=data, media_type=kind)
    if kind == "text/plain":
        try:
            return Document(text=b64decode(data).decode(), media_type=kind, name=blob.display_name or None)
        except ValueError:
            raise InvalidRequest(f"`{at}.data` is said to be text, but is not UTF-8.", param=f"{at}.data") from None
    return Document(base64=data, media_type=checked, name=blob.display_name or None)


def filed(file: schema.FileData, at: str) -> Seen:
    """Something on the web, or something that Google keeps: that one is of use to Google alone."""
    uri = file.file_uri or ""
    kind = (file.mime_type or type_of_url(uri) or "").lower()
    if _GOOGLES.match(uri):
        if kind.startswith(("audio/", "video/")):
            raise Unsupported(f"`{at}.fileUri`: only Google has this file.", param=f"{at}.fileUri")
        opaque = Opaque(origin=OWN, data=uri)
        if kind.startswith("image/"):
            return Image(file=opaque, media_type=kind)
        return Document(file=opaque, media_type=kind or None, name=file.display_name or None)
    if not WEB_URL.match(uri):
        raise InvalidRequest(f"`{at}.fileUri` must be a web address, or a file's at Google.", param=f"{at}.fileUri")
    if YOUTUBE.match(uri) or kind.startswith("video/"):
        return Video(url=uri, media_type=kind or None)
    if kind.startswith("audio/"):
        raise Unsupported(f"`{at}.fileUri`: send audio by its bytes here.", param=f"{at}.fileUri")
    if kind.startswith("image/"):
        return Image(url=uri, media_type=kind)
    return Document(url=uri, media_type=kind or None, name=file.display_name or None)


def _nothing(at: str) -> InvalidRequest:
    return InvalidRequest(f"`{at}` holds nothing that this gateway knows: send text, inlineData, fileData …", param=at)
