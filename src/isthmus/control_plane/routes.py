"""The management API's URL table, and what every call on it has in common: the token, the envelope, the errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.routing import Route, Router

from isthmus.control_plane.api_request import ApiRequest, BodyLimits, Receive
from isthmus.control_plane.envelope import JSON, Answer, failure
from isthmus.control_plane.gateways import MAX_GATEWAYS, GatewayCalls
from isthmus.control_plane.identity import INVALID_TOKEN, IdentityCalls
from isthmus.control_plane.logs.resource import LogCalls
from isthmus.control_plane.publish import Publisher
from isthmus.core.account import AI_GATEWAY_READ, AI_GATEWAY_WRITE, PERMISSIONS, Token
from isthmus.errors import (
    CallerLeft,
    Forbidden,
    GatewayError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
)
from isthmus.storage.protocols import Logs, StorageError
from isthmus.validation.fields import one_problem

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Authenticate = Callable[[Mapping[str, str], str | None, frozenset[str]], Token]
"""(headers, account id or None for any, permissions of which the token needs one) → the token. Raises
`Unauthenticated`, or another `GatewayError`."""

READ = frozenset({AI_GATEWAY_READ, AI_GATEWAY_WRITE})
WRITE = frozenset({AI_GATEWAY_WRITE})
ANY = frozenset(PERMISSIONS)

ACCOUNT = "/client/v4/accounts/{account_id}"
GATEWAYS = ACCOUNT + "/ai-gateway/gateways"
GATEWAY = GATEWAYS + "/{gateway_id}"
LOG = GATEWAY + "/logs/{log_id}"
VERIFY = ("/client/v4/user/tokens/verify", ACCOUNT + "/tokens/verify")

MAX_QUERY_FIELDS = 2000

log = logging.getLogger(__name__)


class ControlPlaneOptions(msgspec.Struct, frozen=True, kw_only=True):
    body: BodyLimits = BodyLimits()
    max_gateways_per_account: int = MAX_GATEWAYS


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
) -> App:
    """An ASGI application for everything below `/client/v4` that is management; whatever else comes gets 404/7003."""
    table = {
        **_identity_table(IdentityCalls(publisher)),
        **_gateway_table(GatewayCalls(publisher, options.max_gateways_per_account)),
        **_log_table(LogCalls(publisher, logs)),
    }
    gate = _Gate(authenticate, publisher)
    routes = [Route(path, _Resource(path, verbs, gate, options.body)) for path, verbs in table.items()]
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
        try:
            answer = await self._answer(scope, receive)
        except CallerLeft:
            return
        except GatewayError as error:
            answer = failure(error)
        except StorageError as error:
            log.error("%s %s: the store does not answer: %s", scope["method"], scope["path"], error)
            answer = failure(InternalError("The store does not answer; try again", status=503))
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            answer = failure(InternalError("Internal error"))
        await _send(answer, send)

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
        request = ApiRequest(parameters, _query(scope), token, receive, self._limits)
        if "gateway_id" in parameters and not request.may_see(request.gateway_id):
            raise Forbidden("This token is bound to other gateways")
        return await verb.call(request)


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope["query_string"].decode("latin-1"), True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise one_problem(f"At most {MAX_QUERY_FIELDS} parameters", "query") from None


async def _no_route(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await _send(failure(NotFound("No route for the URI")), send)


async def _send(answer: Answer, send: Send) -> None:
    headers = [
        (b"content-type", JSON),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
