"""Gemini's embeddings, many texts in one request. https://ai.google.dev/api/embeddings#method:-models.batchembedcontents

Only providers speak it. `taskType` and `outputDimensionality` stand where Google's own SDK puts them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed, Embedded, Purpose
from isthmus.errors import Malformed, UpstreamError
from isthmus.wire.embeddings import lacking
from isthmus.wire.embeddings.protocol import WrittenEmbed
from isthmus.wire.embeddings.written_only import WrittenOnly
from isthmus.wire.gemini.errors import read_error, stated_error
from isthmus.wire.gemini.schema import AnsweredError

BATCH = 100
FIRST_MODEL = "embedding-001"
"""It has one size; all that came later can be asked for less."""
WITHOUT_TASKS = "gemini-embedding-2"
"""It is told its task in the words of the text, and passes over `taskType`."""

_TASKS: dict[Purpose, str] = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


class _Vector(msgspec.Struct, frozen=True):
    values: list[float] | None = None


class _Usage(msgspec.Struct, frozen=True, rename="camel"):
    prompt_token_count: int | None = None


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    embeddings: list[_Vector] | None = None
    usage_metadata: _Usage | None = None
    error: AnsweredError | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class GeminiEmbeddings(WrittenOnly):
    name = "gemini_embeddings"

    def batch(self, model: Model) -> int:
        return BATCH

    def write_request(self, embed: Embed, model: Model) -> WrittenEmbed:
        lacking.refuse_tokens(embed, model)
        if model.name == FIRST_MODEL:
            lacking.refuse_dimensions(embed, model)
        receipt = Receipt()
        lacking.note_pooling(embed, receipt)
        lacking.note_user(embed, receipt)
        shared: dict[str, Any] = {"model": f"models/{model.name}"}
        if embed.dimensions is not None:
            shared["outputDimensionality"] = embed.dimensions
        if embed.purpose is not None and model.name.startswith(WITHOUT_TASKS):
            receipt.lost("purpose", "this model is told its task in the words of the text")
        elif embed.purpose is not None:
            shared["taskType"] = _TASKS[embed.purpose]
        requests = [{**shared, "content": {"parts": [{"text": text}]}} for text in embed.texts]
        return WrittenEmbed(body=msgspec.json.encode({"requests": requests}), notes=receipt.notes())

    def read_answer(self, data: bytes) -> Embedded:
        try:
            answer = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"The provider's answer is not a list of embeddings: {error}.") from None
        if answer.error is not None:
            raise stated_error(answer.error)
        if answer.embeddings is None:
            raise Malformed("The provider's answer holds no embeddings.")
        usage = answer.usage_metadata or _Usage()
        return Embedded(
            vectors=[vector.values or [] for vector in answer.embeddings],
            input_tokens=usage.prompt_token_count,
        )

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return read_error(status, body, retry_after)


GEMINI = GeminiEmbeddings()
