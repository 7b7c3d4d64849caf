"""The calls on gateways (control-plane 2, rows 1-5) and PATCH, which is ours: PUT forgets what it is not told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from isthmus.control_plane.api_request import ApiRequest
from isthmus.control_plane.envelope import Answer, Message, success
from isthmus.control_plane.instant import write_instant
from isthmus.control_plane.paging import read_page
from isthmus.control_plane.publish import Publisher
from isthmus.core.gateway import Gateway, GatewayId
from isthmus.errors import Forbidden, InvalidRequest
from isthmus.validation.effect import IGNORED_KEY, NO_EFFECT_YET, idle
from isthmus.validation.fields import InvalidFields, Problem, one_problem, problems, type_of
from isthmus.validation.gateway_settings import ignored_keys, patch_settings, read_settings

PER_PAGE_MAX = 100
MAX_GATEWAYS = 20
"""An account's, unless the operator says otherwise."""
INVALID_PROVIDER = 2008
OWN_ADDRESSES = ("compat", "workers-ai")


class GatewayCalls:
    def __init__(self, publisher: Publisher[Any], most_in_account: int = MAX_GATEWAYS) -> None:
        self._publisher = publisher
        self._most_in_account = most_in_account

    async def list(self, request: ApiRequest) -> Answer:
        page = read_page(request, PER_PAGE_MAX)
        part = request.asked("search") or ""
        found = [
            gateway
            for gateway in self._publisher.configuration.gateways
            if gateway.account_id == request.account_id and part in gateway.id and request.may_see(gateway.id)
        ]
        found.sort(key=lambda gateway: (gateway.created_at, gateway.id))
        shown = [shape(gateway) for gateway in page.cut(found)]
        return success(shown, page=page.info(len(shown), len(found)))

    async def create(self, request: ApiRequest) -> Answer:
        body = await request.json_object()
        found = _id_problems(body)
        try:
            settings = read_settings(body)
        except InvalidFields as error:
            raise InvalidFields(found + error.problems) from None
        if found:
            raise InvalidFields(found)
        gateway_id = str(body["id"])
        if not request.may_see(gateway_id):
            raise Forbidden("This token is bound to other gateways")
        gateway = await self._publisher.add_gateway(request.account_id, gateway_id, settings, self._most_in_account)
        return _answer(gateway, body)

    async def get(self, request: ApiRequest) -> Answer:
        return _answer(self._publisher.gateway(request.account_id, request.gateway_id))

    async def replace(self, request: ApiRequest) -> Answer:
        """What is left out goes back to unset (data-plane 3.3)."""
        body = await self._change_body(request)
        settings = read_settings(body)
        gateway = await self._publisher.change_gateway(request.account_id, request.gateway_id, lambda _: settings)
        return _answer(gateway, body)

    async def patch(self, request: ApiRequest) -> Answer:
        body = await self._change_body(request)
        gateway = await self._publisher.change_gateway(
            request.account_id, request.gateway_id, lambda old: patch_settings(old, body)
        )
        return _answer(gateway, body)

    async def remove(self, request: ApiRequest) -> Answer:
        return success(shape(await self._publisher.remove_gateway(request.account_id, request.gateway_id)))

    async def _change_body(self, request: ApiRequest) -> dict[str, object]:
        """A missing gateway is told before a wrong body is."""
        self._publisher.gateway(request.account_id, request.gateway_id)
        body = await request.json_object()
        if body.get("id", request.gateway_id) != request.gateway_id:
            raise one_problem("The id of a gateway cannot be changed", "body", "id")
        return body


class GatewayUrls:
    """Where a provider is reached through a gateway (control-plane 3.3): on the gateway host, which we are too."""

    def __init__(self, publisher: Publisher[Any], providers: Collection[str], public_url: str | None) -> None:
        self._publisher = publisher
        self._providers = providers
        self._public_url = public_url

    async def url(self, request: ApiRequest) -> Answer:
        """The answer is a text. Raises `NotFound` for the gateway, `InvalidRequest` for the provider."""
        gateway = self._publisher.gateway(request.account_id, request.gateway_id)
        provider = request.parameters["provider"].lower()
        if provider not in self._providers and provider not in OWN_ADDRESSES and not self._declared(request, provider):
            raise InvalidRequest(
                f"Invalid provider: there is none named {provider[:72]!r}. Name it by its slug, such as openai.",
                code=INVALID_PROVIDER,
            )
        origin = self._public_url or request.origin
        return success(f"{origin.rstrip('/')}/v1/{request.account_id}/{gateway.id}/{provider}")

    def _declared(self, request: ApiRequest, provider: str) -> bool:
        return any(
            each.account_id == request.account_id and each.enable and provider == f"custom-{each.slug}"
            for each in self._publisher.configuration.custom_providers
        )


def shape(gateway: Gateway) -> dict[str, object]:
    """A gateway as the API shows it: what was never set is left out (control-plane 1.5)."""
    shown: dict[str, object] = {"id": gateway.id, **msgspec.to_builtins(gateway.settings)}
    shown["is_default"] = gateway.is_default
    shown["created_at"] = write_instant(gateway.created_at)
    shown["modified_at"] = write_instant(gateway.modified_at)
    if gateway.declared:
        shown["declared"] = True
    return shown


def _answer(gateway: Gateway, body: dict[str, object] | None = None) -> Answer:
    return success(shape(gateway), messages=_messages(gateway, body or {}))


def _messages(gateway: Gateway, body: dict[str, object]) -> Sequence[Message]:
    ignored = [
        Message(code=IGNORED_KEY, message=f"{key} is not a field of a gateway and was ignored")
        for key in ignored_keys(body)
    ]
    without = [Message(code=NO_EFFECT_YET, message=f"{name} {why}") for name, why in idle(gateway.settings).items()]
    return ignored + without


def _id_problems(body: dict[str, object]) -> list[Problem]:
    if "id" not in body:
        return [Problem(path=("body", "id"), message="Required")]
    return [*problems(body["id"], type_of(GatewayId), ("body", "id"))]
