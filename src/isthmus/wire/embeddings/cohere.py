"""Cohere's embeddings, version 2, and the same models at Amazon Bedrock. https://docs.cohere.com/reference/embed
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html

Only providers speak it. Cohere wants to be told what the vectors are for. Texts that are too long are to be refused,
as OpenAI does, and not cut, as Cohere does where nobody says otherwise.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed, Embedded, Purpose
from isthmus.errors import Malformed, UpstreamError
from isthmus.wire.bedrock_converse import errors as bedrock
from isthmus.wire.cohere_chat import errors as cohere
from isthmus.wire.embeddings import lacking
from isthmus.wire.embeddings.protocol import WrittenEmbed
from isthmus.wire.embeddings.written_only import WrittenOnly

BATCH = 96
ASSUMED = "search_document"
SIZED_SINCE = 4
"""The version of its models that can be asked for shorter vectors: embed-v4."""

_VERSION = re.compile(r"embed-v(\d+)")
_TYPES: dict[Purpose, str] = {
    "query": "search_query",
    "document": "search_document",
    "classification": "classification",
    "clustering": "clustering",
}


class _ByType(msgspec.Struct, frozen=True):
    float_: list[list[float]] | None = msgspec.field(name="float", default=None)


class _Tokens(msgspec.Struct, frozen=True):
    input_tokens: float | None = None


class _Meta(msgspec.Struct, frozen=True):
    billed_units: _Tokens | None = None
    tokens: _Tokens | None = None


class _Answer(msgspec.Struct, frozen=True):
    embeddings: _ByType | list[list[float]] | None = None
    meta: _Meta | None = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class CohereEmbeddings(WrittenOnly):
    """`at_bedrock`: the model stands in the path, errors are AWS's."""

    def __init__(self, name: str, *, at_bedrock: bool) -> None:
        self.name = name
        self._at_bedrock = at_bedrock

    def batch(self, model: Model) -> int:
        return BATCH

    def write_request(self, embed: Embed, model: Model) -> WrittenEmbed:
        lacking.refuse_tokens(embed, model)
        version = _VERSION.search(model.name)
        if version is None or int(version[1]) < SIZED_SINCE:
            lacking.refuse_dimensions(embed, model)
        receipt = Receipt()
        lacking.note_pooling(embed, receipt)
        lacking.note_user(embed, receipt)
        body: dict[str, Any] = {} if self._at_bedrock else {"model": model.name}
        body |= {
            "texts": embed.texts,
            "input_type": _input_type(embed, receipt),
            "embedding_types": ["float"],
            "truncate": "NONE",
        }
        if embed.dimensions is not None:
            body["output_dimension"] = embed.dimensions
        return WrittenEmbed(body=msgspec.json.encode(body), notes=receipt.notes())

    def read_answer(self, data: bytes) -> Embedded:
        try:
            answer = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"The provider's answer is not a list of embeddings: {error}.") from None
        given = answer.embeddings
        vectors = given.float_ if isinstance(given, _ByType) else given
        if vectors is None:
            raise cohere.stated_error(answer.message)
        meta = answer.meta or _Meta()
        counted = next((each.input_tokens for each in (meta.billed_units, meta.tokens) if each is not None), None)
        return Embedded(vectors=vectors, input_tokens=None if counted is None else int(counted))

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        if self._at_bedrock:
            return bedrock.read_error(status, body, retry_after)
        return cohere.read_error(status, body, retry_after)


def _input_type(embed: Embed, receipt: Receipt) -> str:
    if embed.purpose is None:
        receipt.emulated("purpose", "this provider must be told one, and is told documents")
        return ASSUMED
    known = _TYPES.get(embed.purpose)
    if known is None:
        receipt.lost("purpose", "this provider does not know it, and is told documents")
    return known or ASSUMED


COHERE = CohereEmbeddings("cohere_embeddings", at_bedrock=False)
BEDROCK_COHERE = CohereEmbeddings("bedrock_cohere_embeddings", at_bedrock=True)
