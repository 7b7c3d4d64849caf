"""The stages that calls pass, in order, a reason on each line; and who answers at their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from isthmus.clock import Clock
from isthmus.core.call import Call
from isthmus.core.rates.rules import SlugOf
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, Stage, compose
from isthmus.data_plane.caching.cache import AnswerCache
from isthmus.data_plane.caching.semantic.answers import SemanticAnswers
from isthmus.data_plane.count_tokens import TokenCounter
from isthmus.data_plane.gateway_host.compat import compat_target, not_compat
from isthmus.data_plane.gateway_host.native import Native
from isthmus.data_plane.gateway_host.platform import platform_target
from isthmus.data_plane.gateway_host.universal import Universal
from isthmus.data_plane.gateway_host.websocket.handshake import may_open
from isthmus.data_plane.outbound.dispatch import Dispatcher
from isthmus.data_plane.outbound.embed import EmbeddingsDispatcher
from isthmus.data_plane.read_request import read_request
from isthmus.data_plane.resolve import named_target, resolve
from isthmus.data_plane.runs.resume import resume
from isthmus.data_plane.runs.store import RunStore
from isthmus.data_plane.state.background import Backgrounds
from isthmus.data_plane.state.compact import Compact
from isthmus.data_plane.state.keeper import Keeper
from isthmus.data_plane.state.resources import state_resources
from isthmus.data_plane.state.restore import restore
from isthmus.policies.admit import admit
from isthmus.policies.authenticate import Refresh, authenticate
from isthmus.policies.choose_gateway import EnsureDefault, choose_gateway, chooser
from isthmus.policies.limit_rate import limit_rate
from isthmus.policies.record import Append, record
from isthmus.routing.driver import drive
from isthmus.routing.plan import once
from isthmus.storage.protocols import Counters
from isthmus.wire.embeddings.registry import CALLERS as EMBEDDINGS


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the stages need of the rest of the house."""

    clock: Clock
    steady_clock: Clock
    dispatch: Dispatcher
    embed: EmbeddingsDispatcher
    count_tokens: TokenCounter
    ensure_default: EnsureDefault
    refresh: Refresh
    append: Append
    cache: AnswerCache
    semantic: SemanticAnswers
    counters: Counters
    slug_of: SlugOf
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
    holding, taking = limit_rate(parts.counters, parts.steady_clock, parts.slug_of)
    api: tuple[Stage, ...] = (
        authenticate(parts.clock, parts.refresh),  # first: nothing is read or written for a stranger
        recorded,  # around all that follows: every end of a call has its row
        holding,  # around all that may fail: however the call ends, what it holds of a limit is given back
        choose_gateway(parts.ensure_default),  # before the body: its settings govern even a bad one
    )
    gateway_host: tuple[Stage, ...] = (
        admit(parts.clock, parts.refresh, parts.ensure_default),  # the gateway says whether strangers may come in
        recorded,
        holding,
    )
    choose = chooser(parts.ensure_default)  # again, where the body names another gateway
    read = read_request(parts.log_body_bytes, parts.bypass_platform_models, choose)  # last: the costly part
    here = read_request(parts.log_body_bytes, False, None)  # the path names the gateway: none is bypassed
    checked = policies(parts.cache, parts.semantic, taking, (recorded, holding))
    native = parts.native.behind(checked)
    own = {  # a step of the universal endpoint may ask for these too
        "compat": compose((here, resolve(compat_target), *checked), _answer(parts)),
        "platform": compose((here, resolve(platform_target), *checked), _answer(parts)),
    }
    named = (resolve(named_target), *checked)  # who is asked comes first: the rest goes by it
    restored = restore(parts.keeper, parts.backgrounds)  # what was said before is in the body from here on
    responses = compose((*api, read, restored, *named), _answer(parts))
    return {
        "resume": compose(api[:1], resume(parts.runs)),  # its call has the row
        "chat": compose((*api, read, *named), _answer(parts)),
        "responses": responses,
        "compact": responses,
        "state": compose(api[:1], state_resources(parts.keeper, parts.backgrounds)),  # no row: no model is asked
        "not_compat": compose(gateway_host, not_compat),
        "native": compose(gateway_host, native),
        "universal": compose(gateway_host, Universal(native, own, parts.clock)),
        "websocket": compose(gateway_host[:1], may_open),  # no row: each of its messages has one
        "short_native": compose(api, native),
        **{name: compose(gateway_host, handler) for name, handler in own.items()},
    }


def policies(
    cache: AnswerCache, semantic: SemanticAnswers, taking: Stage, around: Sequence[Stage]
) -> tuple[Stage, ...]:
    """What calls pass once it is known who is asked, on every address. `around`: what stands around every call."""
    return (
        cache.stage(skips_checks=True),  # where a gateway wants Cloudflare's order: a hit is asked nothing more
        # policies and guardrails come here: what they forbid now was not forbidden, maybe, when it was kept
        cache.stage(skips_checks=False),  # behind all that may refuse: no hit walks around it
        semantic.stage(cache, around),  # behind the exact one: whoever asks the same shares one look
        taking,  # behind the cache: a hit takes nothing of a limit
    )


def _answer(parts: Parts) -> Handler:
    async def answer(call: Call) -> Reply:
        target = call.target
        assert target is not None
        if call.endpoint.counts:
            return await parts.count_tokens(call, target)
        if call.endpoint.handler == "compact":
            return await parts.compact(call, target)
        dispatch = parts.embed if call.dialect in EMBEDDINGS else parts.dispatch
        return await drive(once(target), call, dispatch, parts.clock)

    return answer
