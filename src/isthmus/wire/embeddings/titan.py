"""Amazon Titan's text embeddings at Bedrock, one text a request.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html

Only providers speak it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed, Embedded
from isthmus.errors import Malformed, UpstreamError
from isthmus.wire.bedrock_converse.errors import read_error
from isthmus.wire.embeddings import lacking
from isthmus.wire.embeddings.protocol import WrittenEmbed
from isthmus.wire.embeddings.written_only import WrittenOnly

SECOND = "titan-embed-text-v2"
"""The first one takes a text and nothing else."""


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    embedding: list[float]
    input_text_token_count: int | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class TitanEmbeddings(WrittenOnly):
    name = "titan_embeddings"

    def batch(self, model: Model) -> int:
        return 1

    def write_request(self, embed: Embed, model: Model) -> WrittenEmbed:
        lacking.refuse_tokens(embed, model)
        if SECOND not in model.name:
            lacking.refuse_dimensions(embed, model)
        receipt = Receipt()
        lacking.note_pooling(embed, receipt)
        lacking.note_user(embed, receipt)
        if embed.purpose is not None:
            receipt.lost("purpose", "this model is not told what its vectors are for")
        body: dict[str, Any] = {"inputText": embed.texts[0]}
        if embed.dimensions is not None:
            body["dimensions"] = embed.dimensions
        return WrittenEmbed(body=msgspec.json.encode(body), notes=receipt.notes())

    def read_answer(self, data: bytes) -> Embedded:
        try:
            answer = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"The provider's answer is not an embedding: {error}.") from None
        return Embedded(vectors=[answer.embedding], input_tokens=answer.input_text_token_count)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return read_error(status, body, retry_after)


TITAN = TitanEmbeddings()
