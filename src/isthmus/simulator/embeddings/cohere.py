"""Cohere's `/v2/embed`, by its published schema, for texts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from isthmus.simulator.cohere.vendor import COHERE, identity
from isthmus.simulator.embeddings.vectors import MODELS, EmbeddingModel, count, packed, vector
from isthmus.simulator.exchange import Answer, Exchange, Rejection, whole
from isthmus.simulator.shape import Strict, read_shape

EmbeddingType = Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]
Texts = Annotated[list[str], Meta(min_length=1, max_length=96)]
InputType = Literal["search_document", "search_query", "classification", "clustering", "image"]
Truncate = Literal["NONE", "START", "END"]


class EmbedRequest(Strict, frozen=True, kw_only=True):
    model: str
    input_type: InputType
    texts: Texts | None = None
    images: list[str] | None = None
    inputs: list[dict[str, Any]] | None = None
    max_tokens: int | None = None
    output_dimension: int | None = None
    embedding_types: list[EmbeddingType] | None = None
    truncate: Truncate | None = None
    priority: Annotated[int, Meta(ge=0, le=999)] | None = None


def respond(exchange: Exchange) -> Answer:
    request: EmbedRequest = read_shape(exchange.raw, EmbedRequest)
    model = MODELS.get(("cohere", request.model))
    if model is None:
        said = "not found, make sure the correct model ID was used and that you have access to the model."
        raise Rejection(f"model '{request.model}' {said}", status=404)
    if request.texts is None or request.images is not None or request.inputs is not None:
        raise Rejection("invalid request: exactly one of texts, images, or inputs must be provided (texts alone here)")
    texts = checked(exchange, request.texts, model, request.output_dimension, request.truncate)
    vectors = [vector(exchange, model, text + request.input_type, request.output_dimension) for text in texts]
    body = {
        "id": identity(exchange),
        "embeddings": by_type(vectors, request.embedding_types or ["float"]),
        "texts": texts,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": sum(map(count, texts))}},
        "response_type": "embeddings_by_type",
    }
    return whole(COHERE, exchange, body)


def checked(
    exchange: Exchange, texts: list[str], model: EmbeddingModel, size: int | None, truncate: str | None
) -> list[str]:
    """The texts, the last without its directives."""
    if not all(texts):
        raise Rejection("invalid request: all elements of texts must be non-empty")
    if size is not None and size not in (model.sizes or ()):
        raise Rejection(f"invalid request: output_dimension {size} is not supported by model {model.name}")
    settled = [*texts[:-1], exchange.settle(texts[-1])]
    longest = max(map(count, settled))
    if truncate == "NONE" and longest > model.input_tokens:
        raise Rejection(
            f"invalid request: the text is too long: {longest} tokens, the maximum is {model.input_tokens} tokens"
        )
    return settled


def by_type(vectors: list[list[float]], kinds: list[EmbeddingType]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for kind in kinds:
        if kind == "float":
            given[kind] = vectors
        elif kind == "base64":
            given[kind] = [packed(numbers) for numbers in vectors]
        else:
            raise Rejection(f"invalid request: the simulator has no embeddings of type {kind}")
    return given
