"""How much of a model's thinking a caller is shown: only those who turned it on expect blocks of it."""

from __future__ import annotations

import msgspec

from isthmus.core.chat.event import ReasoningDelta
from isthmus.core.chat.request import Chat


def shown_thinking(event: ReasoningDelta, chat: Chat) -> ReasoningDelta | None:
    """What the caller sees of it, None for nothing: who wants it omitted is given the signature without the text."""
    if chat.summary is None:
        return None
    if chat.summary == "none" and event.text:
        event = msgspec.structs.replace(event, text="")
    return event if event.text or event.signature is not None else None
