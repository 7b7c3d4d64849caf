"""What the dialects have alike that only providers speak: a request in them never comes from a caller."""

from __future__ import annotations

from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed
from isthmus.wire.body import Body
from isthmus.wire.embeddings.protocol import WrittenEmbed


class WrittenOnly:
    relays = False

    def relay_request(self, body: Body, embed: Embed, model: Model, *, whole: bool) -> WrittenEmbed:
        raise AssertionError("no caller speaks this dialect")

    def relay_answer(self, data: bytes, embed: Embed) -> bytes:
        raise AssertionError("no caller speaks this dialect")
