"""OpenAI's embeddings, as callers and as compatible providers speak them, and how the providers differ."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed, Embedded, Pooling
from isthmus.errors import GatewayError, Malformed, Unsupported, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.embeddings import lacking
from isthmus.wire.embeddings.openai_request import INPUTS_MAX, OURS, read_request
from isthmus.wire.embeddings.protocol import WrittenEmbed
from isthmus.wire.embeddings.vectors import from_base64, to_base64
from isthmus.wire.openai_chat.errors import read_error, stated_error, write_error


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`base64`: `encoding_format` goes along; else it is left out, floats are what every server gives then, and the
    gateway encodes them. `tokens`: token numbers are taken for texts. `dimensions` is the field for them, None where
    there is none; `size` how many numbers the one model's vectors have. `user`, `purpose`: whether the server has these
    fields (`input_type`). `pooling`: how the one model pools. `batch`: how many inputs a request may have."""

    base64: bool = False
    tokens: bool = True
    dimensions: str | None = "dimensions"
    size: int | None = None
    user: bool = True
    purpose: bool = True
    pooling: Pooling | None = None
    batch: int = INPUTS_MAX


class _Item(msgspec.Struct, frozen=True):
    embedding: list[float] | str
    index: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    data: list[_Item] | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Any = None


class _Form(msgspec.Struct, frozen=True):
    embedding: msgspec.Raw


class _Forms(msgspec.Struct, frozen=True):
    data: list[_Form]


_decode = msgspec.json.Decoder(_Answer).decode
_decode_forms = msgspec.json.Decoder(_Forms).decode


class OpenAIEmbeddings:
    """The dialect. Values with other `options` speak to other providers; the dialect is the same, and is relayed."""

    name = "openai_embeddings"
    relays = True
    spellings: Mapping[str, str] = MappingProxyType({"purpose": "input_type"})

    def __init__(self, options: Options) -> None:
        self._options = options

    def read_request(self, body: Body) -> Embed:
        return read_request(body)

    def write_answer(self, embedded: Embedded, embed: Embed, model: str) -> bytes:
        vectors = embedded.vectors
        data = [
            {"object": "embedding", "index": index, "embedding": to_base64(vector) if embed.as_base64 else vector}
            for index, vector in enumerate(vectors)
        ]
        tokens = embedded.input_tokens or 0
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        return write_error(error)

    def batch(self, model: Model) -> int:
        return self._options.batch

    def write_request(self, embed: Embed, model: Model) -> WrittenEmbed:
        options = self._options
        self._refuse(embed, model)
        receipt = Receipt()
        inputs: list[Any] = list(embed.texts or embed.tokens)
        body: dict[str, Any] = {"model": model.name, "input": inputs if embed.many else inputs[0]}
        if embed.dimensions is not None and options.dimensions is not None:
            body[options.dimensions] = embed.dimensions
        if options.base64 and embed.as_base64:
            body["encoding_format"] = "base64"
        if options.user and embed.user is not None:
            body["user"] = embed.user
        elif embed.user is not None:
            lacking.note_user(embed, receipt)
        if options.purpose and embed.purpose is not None:
            body["input_type"] = "passage" if embed.purpose == "document" else "query"
        if options.pooling is None:
            lacking.note_pooling(embed, receipt)
        return WrittenEmbed(body=msgspec.json.encode(body), notes=receipt.notes())

    def relay_request(self, body: Body, embed: Embed, model: Model, *, whole: bool) -> WrittenEmbed:
        options = self._options
        self._refuse(embed, model)
        receipt = Receipt()
        changes: dict[str, bytes | None] = {name: None for name in OURS if name in body}
        name = msgspec.json.encode(model.name)
        if "model" not in body or bytes(body.fields["model"]) != name:
            changes["model"] = name
        if not options.base64 and "encoding_format" in body:
            changes["encoding_format"] = None
        if options.dimensions != "dimensions" and "dimensions" in body:
            changes["dimensions"] = None
            if options.dimensions is not None and embed.dimensions is not None:
                changes[options.dimensions] = b"%d" % embed.dimensions
        for field, taken in (("user", options.user), ("input_type", options.purpose)):
            if not taken and field in body:
                changes[field] = None
                receipt.lost(field, "this provider has no field for it")
        if not whole:
            changes["input"] = msgspec.json.encode(embed.texts or embed.tokens)
        return WrittenEmbed(body=body.changed(changes) if changes else body.data, notes=receipt.notes())

    def read_answer(self, data: bytes) -> Embedded:
        try:
            answer = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"The provider's answer is not a list of embeddings: {error}.") from None
        if answer.data is None:
            if answer.error is not None:
                raise stated_error(answer.error)
            raise Malformed("The provider's answer holds no embeddings.")
        items = answer.data
        if all(item.index is not None for item in items):
            items = sorted(items, key=lambda item: item.index or 0)
        usage = answer.usage or _Usage()
        return Embedded(
            vectors=[
                from_base64(item.embedding) if isinstance(item.embedding, str) else item.embedding for item in items
            ],
            model=answer.model,
            input_tokens=usage.total_tokens if usage.prompt_tokens is None else usage.prompt_tokens,
        )

    def relay_answer(self, data: bytes, embed: Embed) -> bytes:
        """As it came, where its vectors have the form that was asked for: some servers know only one. `data` has been
        read once and is sound."""
        quoted = [bytes(memoryview(item.embedding)[:1]) == b'"' for item in _decode_forms(data).data]
        if all(is_text == embed.as_base64 for is_text in quoted):
            return data
        answer = msgspec.json.decode(data)
        for item in answer["data"]:
            vector = item["embedding"]
            if embed.as_base64 and not isinstance(vector, str):
                item["embedding"] = to_base64(vector)
            elif not embed.as_base64 and isinstance(vector, str):
                item["embedding"] = from_base64(vector)
        return msgspec.json.encode(answer)

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        return read_error(status, body, retry_after)

    def _refuse(self, embed: Embed, model: Model) -> None:
        options = self._options
        if not options.tokens:
            lacking.refuse_tokens(embed, model)
        if options.dimensions is None:
            lacking.refuse_dimensions(embed, model, options.size)
        if options.pooling is not None and embed.pooling not in (None, options.pooling):
            raise Unsupported(
                f"The model {model.name} pools by `{options.pooling}` alone. Leave `pooling` out.", param="pooling"
            )


OPENAI = OpenAIEmbeddings(Options(base64=True))
COMPATIBLE = OpenAIEmbeddings(Options())
FULL_SIZE = OpenAIEmbeddings(Options(dimensions=None))
"""Servers that pass over `dimensions` and give whole vectors all the same."""
TEXTS = OpenAIEmbeddings(Options(tokens=False))
"""Servers that take no token numbers, and know `input_type` or pass over it."""
LOCAL = OpenAIEmbeddings(Options(base64=True, tokens=False, dimensions=None, size=384, user=False, pooling="mean"))
"""The installation's own worker (`local/embedding_worker.py`)."""

# https://docs.mistral.ai/api/endpoint/embeddings: a field that it does not know is answered with 422.
MISTRAL = OpenAIEmbeddings(Options(base64=True, tokens=False, dimensions="output_dimension", user=False, purpose=False))
# https://docs.fireworks.ai/api-reference/creates-an-embedding-vector-representing-the-input-text: the same, 400.
FIREWORKS = OpenAIEmbeddings(Options(user=False, purpose=False))
# https://docs.together.ai/reference/embeddings, https://docs.sambanova.ai/docs/api-reference/embeddings/create-embeddings:
# model and input, and no more.
PLAIN = OpenAIEmbeddings(Options(tokens=False, dimensions=None, user=False, purpose=False))
# https://docs.github.com/en/rest/models/embeddings
GITHUB = OpenAIEmbeddings(Options(tokens=False, purpose=False))
# https://www.alibabacloud.com/help/en/model-studio/embedding-interfaces-compatible-with-openai: ten texts a request.
ALIBABA = OpenAIEmbeddings(Options(tokens=False, user=False, purpose=False, batch=10))
