"""The management API's URL table, and what every call on it has in common: the token, the envelope, the errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.routing import Route, Router

from isthmus.control_plane.answering import Scope, Send, answered, origin_of, read_query, send_answer
from isthmus.control_plane.api_request import ApiRequest, BodyLimits, Receive
from isthmus.control_plane.cache.resource import CacheCalls, CacheParts
from isthmus.control_plane.custom_providers import CustomProviderCalls
from isthmus.control_plane.envelope import Answer, failure
from isthmus.control_plane.gateways import MAX_GATEWAYS, GatewayCalls, GatewayUrls
from isthmus.control_plane.identity import INVALID_TOKEN, IdentityCalls
from isthmus.control_plane.logs.resource import LogCalls
from isthmus.control_plane.models.listing import ErrorWriters, ModelListing
from isthmus.control_plane.models.reachable import Reachable
from isthmus.control_plane.models.search import ModelCalls
from isthmus.control_plane.publish import Publisher
from isthmus.core.account import AI_GATEWAY_READ, AI_GATEWAY_RUN, AI_GATEWAY_WRITE, PERMISSIONS, WORKERS_AI_READ, Token
from isthmus.errors import (
    Forbidden,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
)
from isthmus.storage.protocols import Logs

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Authenticate = Callable[[Mapping[str, str], str | None, frozenset[str]], Token]
"""(headers, account id or None for any, permissions of which the token needs one) → the token. Raises
`Unauthenticated`, or another `GatewayError`."""

READ = frozenset({AI_GATEWAY_READ, AI_GATEWAY_WRITE})
WRITE = frozenset({AI_GATEWAY_WRITE})
CALL = frozenset({WORKERS_AI_READ, AI_GATEWAY_RUN})
"""As for the calls to models themselves: `policies.authenticate.RUN`."""
ANY = frozenset(PERMISSIONS)

ACCOUNT = "/client/v4/accounts/{account_id}"
GATEWAYS = ACCOUNT + "/ai-gateway/gateways"
GATEWAY = GATEWAYS + "/{gateway_id}"
LOG = GATEWAY + "/logs/{log_id}"
CACHE = GATEWAY + "/cache"
CUSTOM_PROVIDERS = ACCOUNT + "/ai-gateway/custom-providers"
CUSTOM_PROVIDER = CUSTOM_PROVIDERS + "/{provider_id}"
MODEL_SEARCH = ACCOUNT + "/ai/models/search"
# Anthropic's SDK appends /v1/models to a base that ends in /v1 (data-plane 2.1). The short ones: the token's account's.
MODELS = (ACCOUNT + "/ai/v1/models", ACCOUNT + "/ai/v1/v1/models", "/openai/v1/models", "/anthropic/v1/models")
VERIFY = ("/client/v4/user/tokens/verify", ACCOUNT + "/tokens/verify")


class ControlPlaneOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`public_url`: the origin that callers see, None: the one that they ask at. `providers`: the built-in ones."""

    body: BodyLimits = BodyLimits()
    max_gateways_per_account: int = MAX_GATEWAYS
    public_url: str | None = None
    providers: frozenset[str] = frozenset()


class ModelParts(msgspec.Struct, frozen=True, kw_only=True):
    """What the addresses of models stand on."""

    reachable: Reachable
    errors: ErrorWriters


class Verb(msgspec.Struct, frozen=True):
    """`permissions`: the caller's token needs one of them."""

    permissions: frozenset[str]
    call: Callable[[ApiRequest], Awaitable[Answer]]


Table = dict[str, dict[str, Verb]]


def control_plane(
    publisher: Publisher[Any],
    logs: Logs,
    authenticate: Authenticate,
    options: ControlPlaneOptions = ControlPlaneOptions(),  # noqa: B008  # frozen
    models: ModelParts | None = None,
    cache: CacheParts | None = None,
) -> App:
    """An ASGI application for everything below `/client/v4` that is management; whatever else comes gets 404/7003."""
    table = {
        **_identity_table(IdentityCalls(publisher)),
        **_gateway_table(GatewayCalls(publisher, options.max_gateways_per_account)),
        GATEWAY + "/url/{provider}": {
            "GET": Verb(READ, GatewayUrls(publisher, options.providers, options.public_url).url)
        },
        **_log_table(LogCalls(publisher, logs)),
        **_custom_provider_table(CustomProviderCalls(publisher)),
    }
    gate = _Gate(authenticate, publisher)
    routes: list[Route] = []
    if cache is not None:
        table.update(_cache_table(CacheCalls(publisher, cache)))
    if models is not None:
        table[MODEL_SEARCH] = {"GET": Verb(CALL, ModelCalls(models.reachable).search)}
        listing = ModelListing(models.reachable, partial(gate.token, permissions=CALL), models.errors)
        routes += [Route(path + rest, listing) for path in MODELS for rest in ("", "/{model_id:path}")]
    routes += [Route(path, _Resource(path, verbs, gate, options.body)) for path, verbs in table.items()]
    return Router(routes, redirect_slashes=False, default=_no_route)


def _identity_table(calls: IdentityCalls) -> Table:
    return {
        **{path: {"GET": Verb(ANY, calls.verify_token)} for path in VERIFY},
        "/client/v4/accounts": {"GET": Verb(ANY, calls.list_accounts)},
        ACCOUNT: {"GET": Verb(ANY, calls.get_account)},
    }


def _gateway_table(calls: GatewayCalls) -> Table:
    return {
        GATEWAYS: {"GET": Verb(READ, calls.list), "POST": Verb(WRITE, calls.create)},
        GATEWAY: {
            "GET": Verb(READ, calls.get),
            "PUT": Verb(WRITE, calls.replace),
            "PATCH": Verb(WRITE, calls.patch),
            "DELETE": Verb(WRITE, calls.remove),
        },
    }


def _log_table(calls: LogCalls) -> Table:
    return {
        GATEWAY + "/logs": {"GET": Verb(READ, calls.list)},
        LOG: {"GET": Verb(READ, calls.get)},
        LOG + "/request": {"GET": Verb(READ, calls.request_payload)},
        LOG + "/response": {"GET": Verb(READ, calls.response_payload)},
    }


def _cache_table(calls: CacheCalls) -> Table:
    return {
        CACHE: {"GET": Verb(READ, calls.get)},
        CACHE + "/purge": {"POST": Verb(WRITE, calls.purge)},
    }


def _custom_provider_table(calls: CustomProviderCalls) -> Table:
    return {
        CUSTOM_PROVIDERS: {"GET": Verb(READ, calls.list), "POST": Verb(WRITE, calls.create)},
        CUSTOM_PROVIDER: {
            "GET": Verb(READ, calls.get),
            "PATCH": Verb(WRITE, calls.patch),
            "DELETE": Verb(WRITE, calls.remove),
        },
    }


class _Gate:
    """Who calls: asked of the snapshot at hand and, where that does not know the token, of the newest one, so that a
    token which another process has just made counts at once."""

    def __init__(self, authenticate: Authenticate, publisher: Publisher[Any]) -> None:
        self._authenticate = authenticate
        self._publisher = publisher

    async def token(self, scope: Scope, permissions: frozenset[str]) -> Token:
        headers, account_id = Headers(scope=scope), scope["path_params"].get("account_id")
        try:
            return self._authenticate(headers, account_id, permissions)
        except Unauthenticated:
            await self._publisher.refresh()
            return self._authenticate(headers, account_id, permissions)


class _Resource:
    """One address: finds the verb, asks for the token, and writes out whatever comes of it."""

    def __init__(self, path: str, verbs: dict[str, Verb], gate: _Gate, limits: BodyLimits) -> None:
        self._path = path
        self._verbs = verbs
        self._gate = gate
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answered(scope, send, self._answer(scope, receive), failure)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method, parameters = scope["method"], scope["path_params"]
        verb = self._verbs.get(method)
        if verb is None:
            raise MethodNotAllowed(f"{method} not supported for requested URI.", ", ".join(self._verbs))
        try:
            token = await self._gate.token(scope, verb.permissions)
        except Unauthenticated as error:
            if self._path in VERIFY:
                raise Unauthenticated("Invalid API Token", code=INVALID_TOKEN) from error
            raise
        request = ApiRequest(parameters, read_query(scope), token, receive, self._limits)
        request.origin = origin_of(scope)
        if "gateway_id" in parameters and not request.may_see(request.gateway_id):
            raise Forbidden("This token is bound to other gateways")
        return await verb.call(request)


async def _no_route(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send_answer(failure(NotFound("No route for the URI")), send)
