"""The calls on custom providers (control-plane 2, rows 7-11, and 4.1). They are the whole account's: a token that is
bound to some of its gateways may only read them.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterable
from typing import Any

from msgspec import structs

from isthmus.control_plane.api_request import ApiRequest
from isthmus.control_plane.envelope import Answer, Message, success
from isthmus.control_plane.instant import write_instant
from isthmus.control_plane.paging import read_page
from isthmus.control_plane.publish import CHANGE_ATTEMPTS, SMALLEST_STEP_SECONDS, Publisher
from isthmus.core.custom_provider import CustomProvider
from isthmus.errors import Forbidden, InvalidRequest, NotFound
from isthmus.storage.protocols import Configuration
from isthmus.validation.custom_provider import FIELD_NAMES, READ_ONLY, patch_custom_provider, read_custom_provider
from isthmus.validation.effect import IGNORED_KEY
from isthmus.validation.fields import InvalidFields, Problem, one_problem

PER_PAGE_MAX = 100
MAX_CUSTOM_PROVIDERS = 100
"""An account's: each change compiles them all anew."""

SLUG_TAKEN = 1003
MISSING = 1004
ORDERS = ("name", "slug", "created_at", "modified_at", "position")
_OPTIONAL = ("headers", "position")


class CustomProviderCalls:
    def __init__(self, publisher: Publisher[Any]) -> None:
        self._publisher = publisher

    async def list(self, request: ApiRequest) -> Answer:
        page = read_page(request, PER_PAGE_MAX)
        flags = {name: _flag(request, name) for name in ("enable", "beta")}
        part = (request.asked("search") or "").lower()
        found = [
            provider
            for provider in self._of(request)
            if all(wanted is None or getattr(provider, name) is wanted for name, wanted in flags.items())
            and any(part in text.lower() for text in (provider.id, provider.name, provider.slug))
        ]
        shown = [shape(provider) for provider in page.cut(_ordered(found, request.asked("order_by")))]
        return success(shown, page=page.info(len(shown), len(found)))

    async def create(self, request: ApiRequest) -> Answer:
        _refuse_bound(request)
        body = await request.json_object()
        given = _without_nulls(read_custom_provider(body))
        publisher = self._publisher
        async with publisher.changing:
            own = list(self._of(request))
            if any(each.slug == given["slug"] for each in own):
                raise _taken(given["slug"])
            if len(own) >= MAX_CUSTOM_PROVIDERS:
                raise one_problem(f"An account can have {MAX_CUSTOM_PROVIDERS} custom providers", "body", "slug")
            now = time.time()
            made = CustomProvider(
                id=str(uuid.uuid4()), account_id=request.account_id, created_at=now, modified_at=now, **given
            )
            wanted = _with(publisher.configuration, made)
            if not await publisher.commit(wanted, lambda stored: stored.custom_providers.add(made)):
                raise _taken(made.slug)
        return _answer(made, body)

    async def get(self, request: ApiRequest) -> Answer:
        return _answer(self._find(request))

    async def patch(self, request: ApiRequest) -> Answer:
        _refuse_bound(request)
        self._find(request)  # a missing one is told before a wrong body is
        body = await request.json_object()
        given = patch_custom_provider(body)
        publisher = self._publisher
        async with publisher.changing:
            for _ in range(CHANGE_ATTEMPTS):
                old = self._find(request)
                new = _changed(old, given)
                if any(each.slug == new.slug and each.id != new.id for each in self._of(request)):
                    raise _taken(new.slug)
                if await self._put(old, new):
                    return _answer(new, body)
        raise InvalidRequest("The custom provider is being changed by others; try again", status=412, code=7001)

    async def remove(self, request: ApiRequest) -> Answer:
        """Answers all of what was removed: strict clients refuse less (control-plane 14)."""
        _refuse_bound(request)
        publisher = self._publisher
        async with publisher.changing:
            old = self._find(request)
            removed = await publisher.commit(
                _without(publisher.configuration, old),
                lambda stored: stored.custom_providers.remove(old.account_id, old.id),
            )
            if not removed:
                raise _missing()
        return success(shape(old))

    async def _put(self, old: CustomProvider, new: CustomProvider) -> bool:
        wanted = _with(_without(self._publisher.configuration, old), new)
        return await self._publisher.commit(wanted, lambda stored: stored.custom_providers.put(new, old.modified_at))

    def _of(self, request: ApiRequest) -> Iterable[CustomProvider]:
        every = self._publisher.configuration.custom_providers
        return (each for each in every if each.account_id == request.account_id)

    def _find(self, request: ApiRequest) -> CustomProvider:
        for each in self._of(request):
            if each.id == request.parameters["provider_id"]:
                return each
        raise _missing()


def shape(provider: CustomProvider) -> dict[str, object]:
    """A custom provider as the API shows it."""
    shown: dict[str, object] = structs.asdict(provider)
    for name in _OPTIONAL:
        if shown[name] is None:
            del shown[name]
    shown["account_tag"] = provider.account_id
    shown["logo"] = logo(provider.name)
    shown["created_at"] = write_instant(provider.created_at)
    shown["modified_at"] = write_instant(provider.modified_at)
    return shown


def logo(name: str) -> str:
    """A picture in SVG, in base64: the first letter of the name."""
    letter = next((character.upper() for character in name if character.isalnum()), "?")[:1]
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#444"/>'
        '<text x="16" y="22" font-family="sans-serif" font-size="18" fill="#fff" text-anchor="middle">'
        f"{letter}</text></svg>"
    )
    return base64.b64encode(svg.encode()).decode()


def _answer(provider: CustomProvider, body: dict[str, object] | None = None) -> Answer:
    known = {field.name for field in FIELD_NAMES} | READ_ONLY
    ignored = [
        Message(code=IGNORED_KEY, message=f"{key} is not a field of a custom provider and was ignored")
        for key in body or ()
        if key not in known
    ]
    return success(shape(provider), messages=ignored)


def _changed(old: CustomProvider, given: dict[str, Any]) -> CustomProvider:
    """Null unsets what is optional."""
    fields = {name: False if name in ("enable", "beta") and value is None else value for name, value in given.items()}
    return structs.replace(old, modified_at=max(time.time(), old.modified_at + SMALLEST_STEP_SECONDS), **fields)


def _without_nulls(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _with(configuration: Configuration, provider: CustomProvider) -> Configuration:
    return structs.replace(configuration, custom_providers=(*configuration.custom_providers, provider))


def _without(configuration: Configuration, provider: CustomProvider) -> Configuration:
    others = tuple(each for each in configuration.custom_providers if each.id != provider.id)
    return structs.replace(configuration, custom_providers=others)


def _ordered(found: list[CustomProvider], order_by: str | None) -> list[CustomProvider]:
    """`name ASC` by default; what was never set comes last."""
    field, _, direction = (order_by or "name ASC").strip().partition(" ")
    direction = direction.strip().upper() or "ASC"
    if field not in ORDERS or direction not in ("ASC", "DESC"):
        raise one_problem(f"Expected one of {', '.join(ORDERS)}, and ASC or DESC", "query", "order_by")

    def key(provider: CustomProvider) -> tuple[Any, ...]:
        value = getattr(provider, field)
        return (value.lower() if isinstance(value, str) else value, provider.id)

    unset = [provider for provider in found if getattr(provider, field) is None]
    there = [provider for provider in found if getattr(provider, field) is not None]
    return [*sorted(there, key=key, reverse=direction == "DESC"), *unset]


def _flag(request: ApiRequest, name: str) -> bool | None:
    text = request.asked(name)
    if text not in (None, "true", "false"):
        raise one_problem(f"Expected boolean, received '{text[:64]}'", "query", name)
    return None if text is None else text == "true"


def _refuse_bound(request: ApiRequest) -> None:
    if request.token.gateways is not None:
        raise Forbidden("This token is bound to some gateways, and custom providers are the whole account's")


def _taken(slug: str) -> InvalidFields:
    problem = Problem(path=("body", "slug"), message=f"A custom provider with the slug '{slug}' already exists")
    return InvalidFields([problem], status=409, code=SLUG_TAKEN)


def _missing() -> NotFound:
    return NotFound("Custom provider not found", code=MISSING)
