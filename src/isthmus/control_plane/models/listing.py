"""`GET /ai/v1/models` and `/{id}`: what this account can call, in the shape that the caller's SDK knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.datastructures import Headers

from isthmus.catalogue.card import ModelCard
from isthmus.catalogue.catalogue import price
from isthmus.control_plane.answering import Send, answered, read_query
from isthmus.control_plane.api_request import Receive
from isthmus.control_plane.envelope import Answer, failure
from isthmus.control_plane.models.reachable import Reachable
from isthmus.control_plane.models.shapes import anthropic_id, anthropic_model, openai_model
from isthmus.core.account import Token
from isthmus.core.call import ErrorWriter
from isthmus.core.ids import uuid7
from isthmus.errors import GatewayError, InvalidRequest, MethodNotAllowed, NotFound

Scope = MutableMapping[str, Any]
TokenOf = Callable[[Scope], Awaitable[Token]]

# Anthropic's own: https://platform.claude.com/docs/en/api/models/list
DEFAULT_LIMIT = 20
MAX_LIMIT = 1000


class ErrorWriters(msgspec.Struct, frozen=True, kw_only=True):
    """How each SDK's callers are told no."""

    openai: ErrorWriter
    anthropic: ErrorWriter


class ModelListing:
    """The ASGI application of both addresses; the second has a path parameter `model_id`."""

    def __init__(self, models: Reachable, token_of: TokenOf, errors: ErrorWriters) -> None:
        self._models = models
        self._token_of = token_of
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        anthropic = "anthropic-version" in Headers(scope=scope)
        writer = self._errors.anthropic if anthropic else self._errors.openai

        def refuse(error: GatewayError) -> Answer:
            return msgspec.structs.replace(failure(error), body=writer.write_error(error, uuid7()))

        await answered(scope, send, self._answer(scope, anthropic), refuse)

    async def _answer(self, scope: Scope, anthropic: bool) -> Answer:
        if scope["method"] != "GET":
            raise MethodNotAllowed(f"{scope['method']} not supported for requested URI.", "GET")
        token = await self._token_of(_with_bearer(scope) if anthropic else scope)
        name: str | None = scope["path_params"].get("model_id")
        if name is not None:
            card = self._models.find(name, token)
            if card is None:
                raise NotFound(f"Model not found: {name[:200]}", param="model")
            return _json(anthropic_model(card) if anthropic else _openai_model(card))
        cards = self._models.cards(token)
        if anthropic:
            return _json(_anthropic_page(cards, dict(read_query(scope))))
        return _json({"object": "list", "data": [_openai_model(card) for card in cards]})


def _with_bearer(scope: Scope) -> Scope:
    """Anthropic's SDK shows its key as `x-api-key`; `Authorization` wins where both are there (data-plane 2.1)."""
    headers = Headers(scope=scope)
    key = headers.get("x-api-key")
    if key is None or "authorization" in headers:
        return scope
    bearer = (b"authorization", b"Bearer " + key.encode("latin-1"))
    return {**scope, "headers": [*scope["headers"], bearer]}


def _openai_model(card: ModelCard) -> dict[str, object]:
    return openai_model(card, price(card, datetime.now(UTC)))


def _anthropic_page(cards: Sequence[ModelCard], query: Mapping[str, str]) -> dict[str, object]:
    """A page after one model, or before one; raises `InvalidRequest`."""
    limit = _limit(query.get("limit"))
    before, after = query.get("before_id"), query.get("after_id")
    if before and after:
        raise InvalidRequest("before_id and after_id cannot both be given", param="before_id")
    if before:
        end = _place(cards, before, "before_id")
        start = max(0, end - limit)
        page, more = cards[start:end], start > 0
    else:
        start = _place(cards, after, "after_id") + 1 if after else 0
        page, more = cards[start : start + limit], len(cards) > start + limit
    ids = [anthropic_id(card) for card in page]
    return {
        "data": [anthropic_model(card) for card in page],
        "has_more": more,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def _limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidRequest(f"limit: a whole number from 1 to {MAX_LIMIT} is expected", param="limit")
    return int(text)


def _place(cards: Sequence[ModelCard], name: str, param: str) -> int:
    for place, card in enumerate(cards):
        if name in (anthropic_id(card), card.name):
            return place
    raise InvalidRequest(f"{param}: there is no model {name[:200]}", param=param)


def _json(value: object) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(value))
