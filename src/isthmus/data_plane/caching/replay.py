"""An answer given again, or given to several: as a `Reply` like any other, relayed or written by egress as ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from isthmus.core.attempt import Target
from isthmus.core.caching.answer import CachedAnswer
from isthmus.core.call import Call
from isthmus.core.refusal import note
from isthmus.core.reply import Reader, Reply
from isthmus.data_plane.caching.flight import Head
from isthmus.data_plane.caching.key import binds_thinking
from isthmus.data_plane.outbound.frames import Frames, LateReader, ToolReader
from isthmus.data_plane.outbound.prepare import Preparation, tell
from isthmus.providers.constrained_tools import CalledTools
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect

PIECE_BYTES = 64 * 1024


class Replay:
    def __init__(self, preparation: Preparation, dialects: Mapping[str, Dialect]) -> None:
        self._preparation = preparation
        self._dialects = dialects

    def stored(self, call: Call, answer: CachedAnswer) -> Reply | None:
        """None where it is not what this call can be given."""
        head = Head(
            kind=answer.kind,
            status=200,
            content_type=answer.content_type,
            dialect=answer.dialect,
            whole=answer.whole,
            headers=[],
            notes=answer.notes,
            constrained=answer.constrained,
            usage=answer.usage,
            finish_reason=answer.finish_reason,
        )
        return self.reply(call, head, Stored(answer.data), answer.data)

    def reply(self, call: Call, head: Head, pieces: AsyncIterator[bytes], body: bytes | None) -> Reply | None:
        """`body`: the finished one. None, as above: the provider may do better for a caller who wants no loss, and
        what cannot be made into the other form without one is not."""
        if call.options.strict_fidelity and any(note.fate == "lost" for note in head.notes):
            return None
        if head.kind == "frames" and head.whole == call.stream and self._is_bound(call, head):
            return None
        if head.notes:
            tell(call, head.notes, self._spellings(call))
        if head.kind == "frames":
            return self._framed(call, head, pieces)
        reply = Reply(
            head.status, content_type=head.content_type, dialect=call.dialect or head.dialect, whole=head.whole
        )
        reply.headers = list(head.headers)
        call.usage, call.finish_reason = head.usage, head.finish_reason
        if head.error is not None:
            call.status = head.status
            note(call, head.error)
        if head.kind == "body":
            reply.body = body
            call.end = call.end or "completed"
        else:
            reply.pieces, reply.length = pieces, head.length
        return reply

    def _framed(self, call: Call, head: Head, pieces: AsyncIterator[bytes]) -> Reply:
        dialect, target = self._dialects[head.dialect], call.target
        assert target is not None
        reply = Reply(head.status, content_type=head.content_type, dialect=dialect.name, whole=head.whole)
        reply.headers = list(head.headers)
        reader: Reader = LateReader(dialect, whole=head.whole)
        if head.constrained:
            reader = ToolReader(reader, CalledTools(self._preparation.chat(call)))
        reply.frames = Frames(None, pieces, reader)
        if _is_native(target):
            call.stream = not head.whole
        elif head.whole == call.stream:
            reply.anew = True
        elif call.stream and dialect.name == call.dialect:  # whoever's it is: by a key of its own, another provider's
            assert isinstance(call.body, Body)
            reply.filter = dialect.relay_request(call.body, target.model).filter
        return reply

    def _is_bound(self, call: Call, head: Head) -> bool:
        """Whether it holds thinking that its maker takes back with its own ids alone. They are lost in a new form."""
        target = call.target
        assert target is not None
        if _is_native(target) or self._dialects[head.dialect].name != call.dialect:
            return False
        return binds_thinking(call, target, self._preparation.chat(call))

    def _spellings(self, call: Call) -> Mapping[str, str]:
        dialect = self._dialects.get(call.dialect or "")
        return {} if dialect is None else dialect.spellings


def _is_native(target: Target) -> bool:
    """Whether it stands for a provider's own path: the address is the path's then, not the target's."""
    return target.located is None and target.locate is None


class Stored:
    """Bytes that are here, in pieces that a connection can take one after the other."""

    __slots__ = ("_data", "_place")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def __aiter__(self) -> Stored:
        return self

    async def __anext__(self) -> bytes:
        start = self._place
        if start >= len(self._data):
            raise StopAsyncIteration
        self._place = end = start + PIECE_BYTES
        return self._data if start == 0 and end >= len(self._data) else self._data[start:end]
