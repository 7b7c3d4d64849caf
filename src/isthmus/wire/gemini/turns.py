"""A conversation as Google's contents: user and model only, the results of one turn's calls together and in the order
of the calls, since without ids (Vertex AI has none) that is how they are told apart."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    Audio,
    Chat,
    Document,
    HostedToolUse,
    Image,
    Message,
    Opaque,
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
from isthmus.wire.gemini.contents import YOUTUBE, type_of_url
from isthmus.wire.gemini.google_tools import hosted_parts
from isthmus.wire.gemini.signatures import NOT_SIGNED, OWN
from isthmus.wire.gemini.thinking import is_older

# Google wants the first turn to be the user's. A conversation that has none there, or none at all, gets this one.
OPENING = "(The conversation begins here.)"
# Where a model wrote arguments that are no JSON object, they are kept in one: `args` can be nothing else.
UNPARSED = "unparsed_arguments"
# Ids that this gateway made up for calls that had none, and those of others: Google's begin otherwise.
_NOT_GOOGLES = "call_"
# https://ai.google.dev/gemini-api/docs/function-calling#multimodal
_IN_RESULTS = frozenset(("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"))

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Media = Image | Document | Audio | Video


class Turns:
    """Writes one request's messages; `fetch` then holds the addresses that Google cannot be given."""

    def __init__(self, model: Model, receipt: Receipt) -> None:
        self.fetch: dict[str, None] = {}
        self._model = model
        self._receipt = receipt
        self._modern = not is_older(model)
        self._contents: list[dict[str, Any]] = []
        self._calls: dict[str, tuple[int, ToolCall]] = {}  # of all turns so far, with their place among them
        self._called = 0
        self._with_id: set[str] = set()
        self._results: list[ToolResult] = []

    def written(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        current = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
        for at, message in enumerate(messages):
            if message.name is not None:
                self._receipt.lost("messages.name", "Gemini has no names of speakers")
            if message.role == "tool":
                self._results += [part for part in message.parts if isinstance(part, ToolResult)]
                continue
            self._write_results()
            if message.role == "user":
                self._add("user", [written for part in message.parts for written in self._shown(part)])
            elif message.role == "assistant":
                self._add("model", self._spoken(message.parts, at > current))
        self._write_results()
        if not self._contents or self._contents[0]["role"] != "user":
            self._receipt.emulated("messages", "Gemini wants the user to begin, and is told that the user did")
            self._contents.insert(0, {"role": "user", "parts": [{"text": OPENING}]})
        return self._contents

    def _add(self, role: str, parts: list[Any]) -> None:
        if parts:
            self._contents.append({"role": role, "parts": parts})

    # --- the model's turns ---

    def _spoken(self, parts: tuple[Part, ...], current: bool) -> list[Any]:
        calls = [part for part in parts if isinstance(part, ToolCall)]
        signed = any(_own(call.signature) for call in calls)
        written: list[Any] = []
        for part in parts:
            if isinstance(part, ToolCall):
                self._calls[part.id] = (self._called, part)
                self._called += 1
                first = part is calls[0]
                written.append(self._call(part, signed, first and current and self._modern))
            elif isinstance(part, Reasoning):
                written += self._thought(part)
            elif isinstance(part, HostedToolUse):
                written += self._hosted(part)
            elif isinstance(part, Refusal):
                self._receipt.emulated("messages.refusal", "Gemini is told it as text")
                written += [{"text": part.text}] if part.text else []
            else:
                written += self._shown(part)
        return written

    def _thought(self, thought: Reasoning) -> list[dict[str, Any]]:
        signature = thought.signature
        if signature is None:
            return [{"text": thought.text, "thought": True}] if thought.text else []
        if not _own(signature):
            self._receipt.lost("messages.reasoning", "it was signed by another provider")
            return []
        flag = {"thought": True} if thought.text else {}
        return [{"text": thought.text, **flag, "thoughtSignature": signature.data}]

    def _hosted(self, use: HostedToolUse) -> list[Any]:
        parts = hosted_parts(use)
        if parts is None:
            self._receipt.lost("messages.hosted_tool_use", "another provider ran it")
        return parts or []

    def _call(self, call: ToolCall, signed: bool, must_be_signed: bool) -> dict[str, Any]:
        arguments: Any = {}
        text = call.arguments
        if call.custom:
            self._receipt.emulated("tools.custom", "it is a function with one string")
            text = wrapped(text)
        if text.strip():
            try:
                data = text.encode()
                _decode_object(data)
                arguments = msgspec.Raw(data)
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                arguments = {UNPARSED: text}
                self._receipt.lost("messages.tool_calls", "its arguments are no JSON object")
        written: dict[str, Any] = {"name": call.name, "args": arguments}
        # Vertex AI refuses an id. AI Studio, which gives ids, wants its own back; it signs such turns.
        if signed and not call.id.startswith(_NOT_GOOGLES):
            self._with_id.add(call.id)
            written = {"id": call.id, **written}
        part: dict[str, Any] = {"functionCall": written}
        if call.signature is not None and _own(call.signature):
            part["thoughtSignature"] = call.signature.data
        elif must_be_signed:
            part["thoughtSignature"] = NOT_SIGNED
        return part

    # --- results ---

    def _write_results(self) -> None:
        results, self._results = self._results, []
        results.sort(key=lambda result: self._calls[result.call_id][0] if result.call_id in self._calls else 0)
        shown: list[Any] = []
        self._add("user", [{"functionResponse": self._result(result, shown)} for result in results])
        self._add("user", shown)

    def _result(self, result: ToolResult, shown_after: list[Any]) -> dict[str, Any]:
        known = self._calls.get(result.call_id)
        name = known[1].name if known is not None else result.name or result.call_id
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        written: dict[str, Any] = {"name": name, "response": _response("\n".join(texts), result.is_error)}
        if result.call_id in self._with_id:
            written = {"id": result.call_id, **written}
        inside: list[Any] = []
        after: list[Any] = []
        for part in result.parts:
            if isinstance(part, Text):
                continue
            if self._modern and _media_type(part) in _IN_RESULTS and not isinstance(part, Audio | Video):
                inside += self._inside(part)
            else:
                after += self._media(part)
        if inside:
            written["parts"] = inside
        if after:
            self._receipt.emulated("messages.tool_result", "what it shows is shown in the turn after it")
            shown_after += [{"text": f"(This belongs to the result of {name}.)"}, *after]
        return written

    def _inside(self, part: Image | Document) -> list[Any]:
        if part.file is not None:
            return self._media(part)
        if part.url is not None:
            self.fetch[part.url] = None
        return [written for written in self._media(part) if "text" not in written]

    # --- what is seen and heard ---

    def _shown(self, part: Part) -> list[dict[str, Any]]:
        if isinstance(part, Text):
            if part.citations:
                self._receipt.lost("messages.citations", "Gemini takes no citations back")
            return [{"text": part.text}] if part.text else []
        if isinstance(part, Image | Document | Audio | Video):
            return self._media(part)
        return []

    def _media(self, part: Media) -> list[dict[str, Any]]:
        self._check_taken(part)
        written: list[dict[str, Any]] = []
        if isinstance(part, Document):
            if part.cite:
                self._receipt.lost("messages.document.citations", "Gemini cites no documents that it is sent")
            said = [text for text in (part.name and f"File: {part.name}", part.context) if text]
            if said:
                self._receipt.emulated("messages.document.name", "Gemini is told it in a text before the document")
                written.append({"text": "\n".join(said)})
            if part.text is not None:
                data = base64.b64encode(part.text.encode("utf-8", "replace")).decode()
                return [*written, {"inlineData": {"mimeType": part.media_type or "text/plain", "data": data}}]
        if isinstance(part, Image | Document) and part.file is not None:
            return [*written, _file(part.file, part.media_type)]
        if part.base64 is not None:
            kind = part.media_type or "application/octet-stream"
            return [*written, {"inlineData": {"mimeType": kind, "data": part.base64}}]
        return [*written, self._linked(part)]

    def _linked(self, part: Media) -> dict[str, Any]:
        """Google fetches what it is given the address and the type of."""
        url = "" if isinstance(part, Audio) else part.url or ""
        kind = _media_type(part)
        if kind is None and not YOUTUBE.match(url):
            self.fetch[url] = None
        return {"fileData": {"fileUri": url} | ({} if kind is None else {"mimeType": kind})}

    def _check_taken(self, part: Media) -> None:
        taken = self._model.input
        kind = type(part).__name__.lower()
        if taken is not None and kind not in taken and not (isinstance(part, Document) and part.text is not None):
            raise Unsupported(f"The model {self._model.name} takes no {kind} content.", param="messages")


def _own(signature: Opaque | None) -> bool:
    return signature is not None and signature.origin == OWN


def _media_type(part: Media) -> str | None:
    if isinstance(part, Document) and part.text is not None:
        return part.media_type or "text/plain"
    url = None if isinstance(part, Audio) else part.url
    return part.media_type or (type_of_url(url) if url else None)


def _file(file: Opaque, media_type: str | None) -> dict[str, Any]:
    if file.origin != OWN:
        raise Unsupported("A file that is kept at another provider cannot be given to Gemini.", param="messages")
    return {"fileData": {"fileUri": file.data} | ({} if media_type is None else {"mimeType": media_type})}


def _response(text: str, is_error: bool) -> dict[str, Any]:
    """Google reads `output` and `error` in a response as such: an object with a key of that name goes inside one."""
    if is_error:
        return {"error": text}
    try:
        given = _decode_object(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {"output": text}
    if given.keys() & {"output", "error", "result"} or not given:
        return {"output": given}
    return dict(given)


def written_messages(chat: Chat, model: Model, receipt: Receipt) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The contents, and what must be fetched before they can be sent."""
    turns = Turns(model, receipt)
    return turns.written(chat.messages), tuple(turns.fetch)
