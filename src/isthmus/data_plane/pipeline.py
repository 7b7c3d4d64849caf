"""The stages that calls pass, in order, a reason on each line; and who answers at their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from isthmus.clock import Clock
from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, Stage, compose
from isthmus.data_plane.count_tokens import TokenCounter
from isthmus.data_plane.gateway_host.compat import compat_target, not_compat
from isthmus.data_plane.gateway_host.native import Native
from isthmus.data_plane.gateway_host.platform import platform_target
from isthmus.data_plane.gateway_host.universal import Universal
from isthmus.data_plane.gateway_host.websocket.handshake import may_open
from isthmus.data_plane.outbound.dispatch import Dispatcher
from isthmus.data_plane.outbound.embed import EmbeddingsDispatcher
from isthmus.data_plane.read_request import read_request
from isthmus.data_plane.runs.resume import resume
from isthmus.data_plane.runs.store import RunStore
from isthmus.data_plane.state.background import Backgrounds
from isthmus.data_plane.state.compact import Compact
from isthmus.data_plane.state.keeper import Keeper
from isthmus.data_plane.state.resources import state_resources
from isthmus.data_plane.state.restore import restore
from isthmus.policies.admit import admit
from isthmus.policies.authenticate import Refresh, authenticate, check_model
from isthmus.policies.choose_gateway import EnsureDefault, choose_gateway
from isthmus.policies.record import Append, record
from isthmus.routing.driver import drive
from isthmus.routing.plan import once
from isthmus.wire.embeddings.registry import CALLERS as EMBEDDINGS


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the stages need of the rest of the house."""

    clock: Clock
    dispatch: Dispatcher
    embed: EmbeddingsDispatcher
    count_tokens: TokenCounter
    ensure_default: EnsureDefault
    refresh: Refresh
    append: Append
    runs: RunStore
    log_body_bytes: int
    bypass_platform_models: bool
    keeper: Keeper
    backgrounds: Backgrounds
    compact: Compact
    native: Native


def pipeline(parts: Parts) -> Mapping[str, Handler]:
    """By `Endpoint.handler`."""
    recorded = record(parts.append, parts.log_body_bytes)
    api: tuple[Stage, ...] = (
        authenticate(parts.clock, parts.refresh),  # first: nothing is read or written for a stranger
        recorded,  # around all that follows: every end of a call has its row
        choose_gateway(parts.ensure_default),  # before the body: its settings govern even a bad one
    )
    gateway_host: tuple[Stage, ...] = (
        admit(parts.clock, parts.refresh, parts.ensure_default),  # the gateway says whether strangers may come in
        recorded,
    )
    read = read_request(parts.log_body_bytes, parts.bypass_platform_models)  # last: the costly part
    here = read_request(parts.log_body_bytes, False)  # the path names the gateway: none is bypassed
    own = {  # a step of the universal endpoint may ask for these too
        "compat": compose((here,), _route(parts, compat_target)),
        "platform": compose((here,), _route(parts, platform_target)),
    }
    restored = restore(parts.keeper, parts.backgrounds)  # what was said before is in the body from here on
    responses = compose((*api, read, restored), _route(parts, _named))
    return {
        "resume": compose(api[:1], resume(parts.runs)),  # its call has the row
        "chat": compose((*api, read), _route(parts, _named)),
        "responses": responses,
        "compact": responses,
        "state": compose(api[:1], state_resources(parts.keeper, parts.backgrounds)),  # no row: no model is asked
        "not_compat": compose(gateway_host, not_compat),
        "native": compose(gateway_host, parts.native),
        "universal": compose(gateway_host, Universal(parts.native, own, parts.clock)),
        "websocket": compose(gateway_host[:1], may_open),  # no row: each of its messages has one
        "short_native": compose(api, parts.native),
        **{name: compose(gateway_host, handler) for name, handler in own.items()},
    }


def _route(parts: Parts, target_of: Callable[[Call], Target]) -> Handler:
    async def route(call: Call) -> Reply:
        target = target_of(call)
        call.target = target
        check_model(call.token, *call.model_names)
        if call.endpoint.counts:
            return await parts.count_tokens(call, target)
        if call.endpoint.handler == "compact":
            return await parts.compact(call, target)
        dispatch = parts.embed if call.dialect in EMBEDDINGS else parts.dispatch
        return await drive(once(target), call, dispatch, parts.clock)

    return route


def _named(call: Call) -> Target:
    assert call.dialect is not None
    return call.snapshot.models_of(call.account_id).resolve(call.model, call.dialect)
