"""A call's request as its target wants it: the caller's own bytes where both speak one dialect, else written anew, with
a receipt of what became of every field that the target lacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.chat.fidelity import Note, Receipt
from isthmus.core.chat.model import Modality, Model
from isthmus.core.chat.request import Audio, Chat, Document, Image, Message, Part, ToolResult, Video, Written
from isthmus.core.reply import Filter
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.providers.constrained_tools import constrain
from isthmus.wire.body import Body
from isthmus.wire.openai_responses.state.wish import with_thinking
from isthmus.wire.protocol import Dialect

WRAPPED = "generateContentRequest"
LONGEST_ANSWER = 1_000_000

FetchMedia = Callable[[Chat, Sequence[str]], Awaitable[Chat]]
"""The same request with these addresses' content in their place, as base64."""

_KINDS: tuple[tuple[type[Part], Modality], ...] = (
    (Image, "image"),
    (Document, "document"),
    (Audio, "audio"),
    (Video, "video"),
)


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """`constrained`: the caller's request, where tools are emulated and the answer has to be read by it."""

    body: bytes
    filter: Filter | None = None
    constrained: Chat | None = None


class Preparation:
    def __init__(self, dialects: Mapping[str, Dialect], fetch_media: FetchMedia) -> None:
        self._dialects = dialects
        self._fetch_media = fetch_media

    def relayed(self, call: Call, target: Target) -> Prepared | None:
        """None where the request has to be written anew."""
        dialect = self._dialects[target.dialect]
        if not target.relay or dialect.name != call.dialect:
            return None
        assert isinstance(call.body, Body)
        body = call.body
        if call.keeps_thinking and target.traits.thinking not in (None, "none"):
            body = with_thinking(body)
        relayed = dialect.relay_request(body, target.model)
        if relayed.notes:
            self._tell(call, relayed.notes)
        return Prepared(body=relayed.body, filter=relayed.filter)

    async def translated(self, call: Call, target: Target) -> Prepared:
        """Sets the call's receipt. Raises `InvalidRequest`, and `Unsupported` where the target cannot do what was
        asked, or where something would be lost and the caller wants no loss."""
        try:
            return await self._translated(call, target)
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.") from None

    def chat(self, call: Call) -> Chat:
        """The caller's request, read once. A path that names the model has the last word on it."""
        if call.chat is None:
            assert isinstance(call.body, Body) and call.dialect is not None
            body = countable(call.body, call.dialect) if call.endpoint.counts else call.body
            chat = self._dialects[call.dialect].read_request(body)
            kept = chat.keep_reasoning or call.keeps_thinking
            if (chat.model, chat.stream, chat.keep_reasoning) != (call.model, call.stream, kept):
                chat = msgspec.structs.replace(chat, model=call.model, stream=call.stream, keep_reasoning=kept)
            call.chat = chat
        return call.chat

    async def _translated(self, call: Call, target: Target) -> Prepared:
        asked = chat = self.chat(call)
        _check_content(chat, target.traits)
        if target.constrain_tools:
            chat = constrain(chat)
        written = self._written(call, chat, target)
        if written.fetch:
            chat = await self._fetch_media(chat, written.fetch)
            written = self._written(call, chat, target, fetched=True)
        return Prepared(body=written.body, constrained=asked if target.constrain_tools else None)

    def _written(self, call: Call, chat: Chat, target: Target, *, fetched: bool = False) -> Written:
        """With the receipt, and refusals, in the caller's own names. Raises `Unsupported`."""
        spellings = self._dialects[call.dialect or ""].spellings
        try:
            written = self._dialects[target.dialect].write_request(chat, target.traits)
        except Unsupported as error:
            error.param = spellings.get(error.param or "", error.param)
            raise
        receipt = Receipt((*chat.unplaced, *written.notes))
        if fetched or written.fetch:
            receipt.emulated("messages.url", "the gateway fetches what the provider takes only by value")
        self._tell(call, receipt.notes())
        return written

    def _tell(self, call: Call, notes: Sequence[Note]) -> None:
        """The receipt, in the caller's own names. Raises `Unsupported` where the caller wants no loss."""
        tell(call, notes, self._dialects[call.dialect or ""].spellings)


def tell(call: Call, notes: Sequence[Note], spellings: Mapping[str, str]) -> None:
    """`spellings`: the caller's own names. Raises `Unsupported` where the caller wants no loss."""
    call.receipt = tuple(notes)
    call.notes = tuple(msgspec.structs.replace(note, field=spellings.get(note.field, note.field)) for note in notes)
    if call.options.strict_fidelity:
        _refuse_loss(call.notes)


def countable(body: Body, dialect: str) -> Body:
    """A request that is only to be counted, as one to be answered: Google's may be wrapped, Anthropic's says nothing of
    how long the answer may be."""
    if dialect == "gemini" and (inner := body.fields.get(WRAPPED)) is not None:
        return Body(bytes(inner))
    if dialect == "anthropic_messages" and "max_tokens" not in body:
        return Body(body.changed({"max_tokens": b"%d" % LONGEST_ANSWER}))
    return body


def _refuse_loss(notes: Sequence[Note]) -> None:
    lost = [note for note in notes if note.fate == "lost"]
    if lost:
        told = "; ".join(f"`{note.field[:100]}` ({note.why})" for note in lost[:20])
        raise Unsupported(
            f"Fidelity is strict, and this model cannot be given {told}. Leave out what it lacks, choose another "
            "model, or send the call without `cf-aig-fidelity: strict`.",
            param=lost[0].field[:100],
        )


def _check_content(chat: Chat, model: Model) -> None:
    """Raises `Unsupported` for content of a kind that the model is known not to take."""
    taken = model.input
    if taken is None:
        return
    for index, message in enumerate(chat.messages):
        for part in _content(message):
            for kind, modality in _KINDS:
                # A document in plain text is text to every model.
                if isinstance(part, kind) and modality not in taken and getattr(part, "text", None) is None:
                    raise Unsupported(
                        f"The model {model.name} takes no {modality} input.", param=f"messages.{index}.content"
                    )


def _content(message: Message) -> list[Part]:
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            parts.extend(part.parts)
        else:
            parts.append(part)
    return parts
