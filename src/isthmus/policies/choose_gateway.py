"""Through which gateway a call passes: the one its header names, or `default`, made on first use (data-plane 3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from isthmus.core.call import Call
from isthmus.core.gateway import DEFAULT_ID
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler, Stage
from isthmus.errors import InvalidRequest, Unauthenticated

EnsureDefault = Callable[[str], Awaitable[Snapshot]]


def choose_gateway(ensure_default: EnsureDefault) -> Stage:
    """`ensure_default` gives back a snapshot in which the account's `default` exists."""

    async def stage(call: Call, call_next: Handler) -> Reply:
        gateway_id = call.options.gateway_id or DEFAULT_ID
        token = call.token
        if token is not None and token.gateways is not None and gateway_id not in token.gateways:
            raise Unauthenticated("Authentication error")
        gateway = call.snapshot.gateways.get((call.account_id, gateway_id))
        if gateway is None and gateway_id == DEFAULT_ID:
            call.snapshot = await ensure_default(call.account_id)
            gateway = call.snapshot.gateways.get((call.account_id, gateway_id))
        if gateway is None:
            raise InvalidRequest(
                "Please configure AI Gateway in the Cloudflare dashboard: this account has no gateway "
                f"{gateway_id[:64]!r}. Create it with POST /ai-gateway/gateways, or leave cf-aig-gateway-id out.",
                code=2001,
            )
        call.gateway = gateway
        return await call_next(call)

    return stage
