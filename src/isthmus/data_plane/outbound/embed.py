"""One attempt at vectors: writes the request for its target, in as many parts as the target takes, sends them, and puts
the answers together. The answer is whole before the caller is given any of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from isthmus.core.attempt import Attempt, Located, Target
from isthmus.core.call import Call
from isthmus.core.chat.usage import Usage
from isthmus.core.embeddings.embed import Embed, Embedded
from isthmus.core.reply import Headers, Reply
from isthmus.data_plane.outbound.prepare import tell
from isthmus.data_plane.outbound.sender import PASSED_ON, Sender
from isthmus.data_plane.shape import shaped
from isthmus.errors import Malformed, Unsupported
from isthmus.transport.protocol import UpstreamResponse
from isthmus.wire.body import Body
from isthmus.wire.embeddings.protocol import ProvidersEmbeddings, WrittenEmbed
from isthmus.wire.embeddings.registry import CALLERS, PROVIDERS

MOST_REQUESTS = 64
"""Some models take one text a request: a call is split into so many at most."""
CONCURRENT_REQUESTS = 4

_BEDROCK_COUNT = b"x-amzn-bedrock-input-token-count"


class _Part(msgspec.Struct, frozen=True):
    """What came of one request. `passed`: what of the answer's head goes on to the caller."""

    data: bytes
    embedded: Embedded
    passed: Headers


class EmbeddingsDispatcher:
    def __init__(self, sender: Sender, answer_max_bytes: int) -> None:
        self._sender = sender
        self._answer_max_bytes = answer_max_bytes

    async def __call__(self, call: Call, attempt: Attempt) -> Reply:
        target = attempt.target
        call.target = target
        assert isinstance(call.body, Body)
        caller, provider = CALLERS[call.dialect or ""], PROVIDERS[target.dialect]
        embed = caller.read_request(call.body)
        relayed = target.relay and provider.relays and provider.name == call.dialect
        parts = _parts(embed, provider.batch(target.traits), target)
        written = [_written(call.body, part, target, provider, relayed, len(parts)) for part in parts]
        notes = written[0].notes if relayed else (*embed.unplaced, *written[0].notes)
        tell(call, notes, caller.spellings)
        located = target.located
        if located is None:
            assert target.locate is not None
            located = await target.locate()
        done = await self._all(call, target, located, [each.body for each in written], parts)
        if relayed and len(done) == 1:
            body = provider.relay_answer(done[0].data, embed)
        else:
            pooling = None if any(note.field == "pooling" for note in notes) else embed.pooling
            asked = msgspec.structs.replace(embed, pooling=pooling)
            body = caller.write_answer(_joined(done), asked, _name(target, done[0]))
        reply = Reply(200, content_type=b"application/json", dialect=caller.name, whole=True)
        reply.body = shaped(call, target, body)
        reply.headers = done[0].passed
        tokens = _joined(done).input_tokens
        call.usage = None if tokens is None else Usage(input_tokens=tokens)
        call.end = "completed"
        return reply

    async def _all(
        self, call: Call, target: Target, located: Located, bodies: Sequence[bytes], parts: Sequence[Embed]
    ) -> list[_Part]:
        """In their order. The first that fails ends the others, and its error is raised."""
        if len(bodies) == 1:
            return [await self._one(call, target, located, bodies[0], parts[0])]
        turns = asyncio.Semaphore(CONCURRENT_REQUESTS)

        async def one(body: bytes, part: Embed) -> _Part:
            async with turns:
                return await self._one(call, target, located, body, part)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(body, part)) for body, part in zip(bodies, parts, strict=True)]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _one(self, call: Call, target: Target, located: Located, body: bytes, part: Embed) -> _Part:
        response = await self._sender(call, target, located, body)
        try:
            data = await self._whole(call, target, response)
        finally:
            await response.aclose()
        embedded = PROVIDERS[target.dialect].read_answer(data)
        if embedded.input_tokens is None:
            counted = response.header(_BEDROCK_COUNT) or b""
            tokens = int(counted) if counted.isdigit() and len(counted) < 16 else None
            embedded = msgspec.structs.replace(embedded, input_tokens=tokens)
        _check(embedded, part, target)
        return _Part(data, embedded, [pair for pair in response.headers if pair[0] in PASSED_ON])

    async def _whole(self, call: Call, target: Target, response: UpstreamResponse) -> bytes:
        encoding = response.header(b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            raise Malformed(f"The provider {target.provider} compressed its answer, which it was not asked to.")
        pieces: list[bytes] = []
        size = 0
        async for piece in response.chunks():
            if call.first_byte_at is None:
                call.first_byte_at = time.monotonic()
            size += len(piece)
            if size > self._answer_max_bytes:
                raise Malformed(f"The provider's answer is over {self._answer_max_bytes} bytes.")
            pieces.append(piece)
        return b"".join(pieces)


def _parts(embed: Embed, batch: int, target: Target) -> list[Embed]:
    if embed.size <= batch:
        return [embed]
    if embed.size > batch * MOST_REQUESTS:
        raise Unsupported(
            f"The model {target.name} takes {batch} inputs a request, and a call is split into {MOST_REQUESTS} at most:"
            f" send at most {batch * MOST_REQUESTS} inputs.",
            param="input",
        )
    return [embed.part(start, start + batch) for start in range(0, embed.size, batch)]


def _written(
    body: Body, part: Embed, target: Target, provider: ProvidersEmbeddings, relayed: bool, parts: int
) -> WrittenEmbed:
    if relayed:
        return provider.relay_request(body, part, target.traits, whole=parts == 1)
    return provider.write_request(part, target.traits)


def _check(embedded: Embedded, part: Embed, target: Target) -> None:
    """Vectors are of no use to whoever cannot tell which text is whose, and of harm in another length than all that
    were stored before."""
    vectors = embedded.vectors
    if len(vectors) != part.size:
        raise Malformed(f"The provider {target.provider} gave {len(vectors)} vectors for {part.size} inputs.")
    if not all(vectors):
        raise Malformed(f"The provider {target.provider} gave an empty vector.")
    wanted = part.dimensions or len(vectors[0])
    for vector in vectors:
        if len(vector) != wanted:
            raise Malformed(
                f"The provider {target.provider} gave a vector of {len(vector)} numbers where {wanted} were expected."
                + (" The model may not support `dimensions`." if part.dimensions is not None else "")
            )


def _joined(parts: Sequence[_Part]) -> Embedded:
    counts = [part.embedded.input_tokens for part in parts]
    known = [count for count in counts if count is not None]
    return Embedded(
        vectors=[vector for part in parts for vector in part.embedded.vectors],
        model=parts[0].embedded.model,
        input_tokens=sum(known) if len(known) == len(counts) else None,
    )


def _name(target: Target, first: _Part) -> str:
    return target.name if target.platform else first.embedded.model or target.model
