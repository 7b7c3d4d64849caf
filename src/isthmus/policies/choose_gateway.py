"""Through which gateway a call passes: the one that its header names, or `default`, made on first use (data-plane 3).
At a short address, the one that its token is bound to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from isthmus.core.account import Token
from isthmus.core.call import Call
from isthmus.core.gateway import DEFAULT_ID
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler, Stage
from isthmus.errors import InvalidRequest, Unauthenticated

EnsureDefault = Callable[[str], Awaitable[Snapshot]]
Choose = Callable[[Call], Awaitable[None]]


def choose_gateway(ensure_default: EnsureDefault) -> Stage:
    """`ensure_default` gives back a snapshot in which the account's `default` exists."""
    choose = chooser(ensure_default)

    async def stage(call: Call, call_next: Handler) -> Reply:
        if not _left_to_body(call):
            await choose(call)
        return await call_next(call)

    return stage


def chooser(ensure_default: EnsureDefault) -> Choose:
    """Chooses by the call's options, over what was chosen before. Raises `InvalidRequest` where there is none of the
    name, `Unauthenticated` where the token is bound to others; the call has no gateway then, and leaves no row."""

    async def choose(call: Call) -> None:
        call.gateway = None
        # At an address that names an account a call that names no gateway means `default`.
        gateway_id = gateway_id_of(call, None if call.address.account_id else only_gateway(call.token))
        gateway = call.snapshot.gateways.get((call.account_id, gateway_id))
        if gateway is None and gateway_id == DEFAULT_ID:
            call.snapshot = await ensure_default(call.account_id)
            gateway = call.snapshot.gateways.get((call.account_id, gateway_id))
        if gateway is None:
            raise no_gateway(gateway_id)
        call.gateway = gateway

    return choose


def _left_to_body(call: Call) -> bool:
    """Whether only the body of `/ai/run` can still name a gateway that the token may pass (data-plane 4.2). All others
    have theirs before their body is read."""
    return (
        call.endpoint.dialect is None
        and call.endpoint.handler == "chat"
        and call.address.model is None
        and call.options.gateway_id is None
        and call.token is not None
        and not call.token.may_pass(DEFAULT_ID)
    )


def gateway_id_of(call: Call, own: str | None) -> str:
    """The one that its header names, else `own`, else `default`. Raises `Unauthenticated` where its token is bound to
    others."""
    gateway_id = call.options.gateway_id or own or DEFAULT_ID
    if call.token is not None and not call.token.may_pass(gateway_id):
        raise Unauthenticated("Authentication error")
    return gateway_id


def only_gateway(token: Token | None) -> str | None:
    """The gateway of a token that is bound to one: there is no other to mean."""
    bound = None if token is None else token.gateways
    return bound[0] if bound is not None and len(bound) == 1 else None


def no_gateway(gateway_id: str) -> InvalidRequest:
    return InvalidRequest(
        "Please configure AI Gateway in the Cloudflare dashboard: this account has no gateway "
        f"{gateway_id[:64]!r}. Create it with POST /ai-gateway/gateways, or leave cf-aig-gateway-id out.",
        code=2001,
    )
