"""The stages that every call passes, in order, a reason on each line."""

from __future__ import annotations

import msgspec

from isthmus.clock import Clock
from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, compose
from isthmus.data_plane.count_tokens import TokenCounter
from isthmus.data_plane.outbound.dispatch import Dispatcher
from isthmus.data_plane.read_request import read_request
from isthmus.policies.authenticate import Refresh, authenticate, check_model
from isthmus.policies.choose_gateway import EnsureDefault, choose_gateway
from isthmus.policies.record import Append, record
from isthmus.routing.driver import drive
from isthmus.routing.plan import once


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the stages need of the rest of the house."""

    clock: Clock
    dispatch: Dispatcher
    count_tokens: TokenCounter
    ensure_default: EnsureDefault
    refresh: Refresh
    append: Append
    log_body_bytes: int
    bypass_platform_models: bool


def pipeline(parts: Parts) -> Handler:
    async def route(call: Call) -> Reply:
        assert call.dialect is not None
        target = call.snapshot.models_of(call.account_id).resolve(call.model, call.dialect)
        call.target = target
        check_model(call.token, target.name, target.author_name, call.model)
        if call.endpoint.counts:
            return await parts.count_tokens(call, target)
        return await drive(once(target), call, parts.dispatch, parts.clock)

    return compose(
        (
            authenticate(parts.clock, parts.refresh),  # first: nothing is read or written for a stranger
            record(parts.append, parts.log_body_bytes),  # around all that follows: every end of a call has its row
            choose_gateway(parts.ensure_default),  # before the body: its settings govern even a bad one
            read_request(parts.log_body_bytes, parts.bypass_platform_models),  # last: the costly part
        ),
        route,
    )
