"""Cloudflare's native form, `{text, pooling?}` to `{shape, data, pooling?}` (data-plane 4.7). Callers speak it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.embeddings.embed import Embed, Embedded, Pooling
from isthmus.errors import GatewayError, InvalidRequest
from isthmus.wire.body import Body
from isthmus.wire.embeddings.openai_request import OURS, read_texts, refuse_stream
from isthmus.wire.workers_ai.errors import write_error

_KNOWN = frozenset(("model", "text", "pooling", "stream", *OURS))


class WorkersAIEmbeddings:
    name = "workers_ai_embeddings"
    spellings: Mapping[str, str] = MappingProxyType({"input": "text"})

    def read_request(self, body: Body) -> Embed:
        receipt = Receipt()
        refuse_stream(body)
        for name in body.fields:
            if name not in _KNOWN and body.value(name) is not None:
                receipt.lost(name, "no other dialect has it")
        text = body.value("text")
        if text is None:
            raise InvalidRequest("`text` is required: a text, or a list of texts.", code=7001, param="text")
        if not isinstance(text, str | list) or not text:
            raise InvalidRequest("`text` must be a string or an array of strings, and not empty.", param="text")
        alone = isinstance(text, str)
        return Embed(
            model="",
            texts=read_texts([text] if alone else text, "text", whole=alone),
            many=not alone,
            pooling=_pooling(body.value("pooling")),
            unplaced=receipt.notes(),
        )

    def write_answer(self, embedded: Embedded, embed: Embed, model: str) -> bytes:
        vectors = embedded.vectors
        answer: dict[str, Any] = {"shape": [len(vectors), len(vectors[0]) if vectors else 0], "data": vectors}
        if embed.pooling is not None:
            answer["pooling"] = embed.pooling
        return msgspec.json.encode(answer)

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return write_error(error)


def _pooling(given: Any) -> Pooling | None:
    if given == "mean" or given == "cls" or given is None:
        pooling: Pooling | None = given
        return pooling
    raise InvalidRequest("`pooling` must be mean or cls.", param="pooling")


WORKERS_AI = WorkersAIEmbeddings()
