"""The universal endpoint (data-plane 7.3): steps are tried in their order until one has an answer.

A step is a provider's own request (`native.py`), or one of this gateway's own addresses: `compat`, `workers-ai`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from isthmus.clock import Clock
from isthmus.core.attempt import Attempt, Target
from isthmus.core.caching.use import of_cache
from isthmus.core.call import NO_OPTIONS, Address, Call, CallOptions
from isthmus.core.native import NativeAsked
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler
from isthmus.data_plane.gateway_host.failures import failure, opened, put_in_dialect
from isthmus.data_plane.gateway_host.native import Native, NativeRequest
from isthmus.data_plane.gateway_host.steps import INVALID_PROVIDER, Step, read_steps, unknown_provider
from isthmus.data_plane.options.body import CONFIG_SPELLED
from isthmus.data_plane.options.headers import Layer, read_layers, set_options
from isthmus.data_plane.routes import GATEWAY_HOST, find_older
from isthmus.errors import InvalidRequest, UpstreamError
from isthmus.policies.admit import KEY_HEADERS, own_key_of, token_of
from isthmus.routing.driver import drive
from isthmus.routing.fallback import fallback
from isthmus.routing.plan import Plan
from isthmus.routing.retry import Retries, retry

OWN = ("compat", "workers-ai")
JSON = (b"content-type", b"application/json")
# Of the call's own head these say nothing of a step.
_OF_THE_ARRAY = frozenset((*KEY_HEADERS, b"content-type", b"content-encoding", b"content-length"))


class Universal:
    """One a process. `own` are the handlers of this gateway's own addresses, by `Endpoint.handler`."""

    def __init__(self, native: Native, own: Mapping[str, Handler], clock: Clock) -> None:
        self._native = native
        self._own = own
        self._clock = clock

    async def __call__(self, call: Call) -> Reply:
        assert call.incoming is not None
        data = await call.incoming.whole()
        call.request_size = len(data)  # but not `sent`: the steps' headers hold keys
        steps = read_steps(data)
        run = _Run(self._native, self._own, self._clock, call, steps)
        return await drive(run.plan(), call, run.attempt, self._clock)


class _Run:
    """One call's steps."""

    def __init__(
        self, native: Native, own: Mapping[str, Handler], clock: Clock, call: Call, steps: Sequence[Step]
    ) -> None:
        self._native = native
        self._own = own
        self._clock = clock
        self._steps = steps
        self._addresses = [_address(call, index, step, own) for index, step in enumerate(steps)]
        # What each step begins with, and the one before it may have changed.
        self._endpoint = call.endpoint
        self._address = call.address
        self._token = call.token
        outer = {name: value for name, value in call.headers.items() if name not in _OF_THE_ARRAY}
        self._headers = {**outer, JSON[0]: JSON[1]}
        self._options = [_options(step, self._headers) for step in steps]
        self._settings = _of_gateway(call)

    def plan(self) -> Plan:
        last = len(self._steps) - 1
        first, *others = (
            retry(Attempt(target=_unnamed(step), step=index), self._retries(index), patient=index == last)
            for index, step in enumerate(self._steps)
        )
        return fallback(first, *others)

    def _retries(self, step: int) -> Retries:
        layers = (self._options[step], self._settings)
        return Retries(
            max_attempts=_first([layer.max_attempts for layer in layers]) or 1,
            delay_seconds=_first([layer.retry_delay_seconds for layer in layers]) or 0.0,
            backoff=_first([layer.backoff for layer in layers]) or "constant",
            timeout_seconds=_first([layer.request_timeout_seconds for layer in layers]),
        )

    async def attempt(self, call: Call, attempt: Attempt) -> Reply:
        step, address = self._steps[attempt.step], self._addresses[attempt.step]
        self._begin(call, step, attempt)
        if address is not None:
            return await self._ours(call, address, step, attempt.step)
        request = NativeRequest(
            provider=step.provider, rest=step.rest, query=step.query, lines=_lines(step), body=step.body
        )
        reply = await self._native.send(call, request)
        if reply.status >= 300:
            raise await failure(call, reply)
        await opened(call, reply)
        return reply

    def _begin(self, call: Call, step: Step, attempt: Attempt) -> None:
        """Nothing of the attempt before is left."""
        call.endpoint, call.address, call.token = self._endpoint, self._address, self._token
        call.target = attempt.target
        call.dialect = call.body = call.chat = call.usage = call.finish_reason = call.first_byte_at = None
        call.error = call.end = call.cache = call.fingerprint = None
        call.told = {name: value for name, value in call.told.items() if not of_cache(name)}
        call.model, call.stream, call.notes, call.sent, call.request_size, call.status = "", False, (), b"", 0, 0
        call.receipt = ()
        call.headers = {**self._headers, **dict(step.lines)}
        options = self._options[attempt.step]
        set_options(call, msgspec.structs.replace(options, request_timeout_seconds=attempt.timeout_seconds))
        call.token = call.token or token_of(call, self._clock.now())
        call.own_key = own_key_of(call)

    async def _ours(self, call: Call, address: Address, step: Step, number: int) -> Reply:
        """Errors of ours stay in the universal endpoint's shape; a provider's is in the step's."""
        assert address.endpoint is not None
        universal = self._endpoint
        call.endpoint = msgspec.structs.replace(
            address.endpoint, errors=universal.errors, request_type=universal.request_type
        )
        call.address = address
        call.dialect = address.endpoint.dialect
        call.query = step.query
        call.incoming = Given(step.body)
        try:
            return await self._own[address.endpoint.handler](call)
        except UpstreamError as error:
            if error.native is not None:
                put_in_dialect(call, error, address.endpoint.errors)
            raise
        finally:
            call.step = number  # of ours, whatever its own plan counts


def _address(call: Call, index: int, step: Step, own: Mapping[str, Handler]) -> Address | None:
    """This gateway's own, where the step means one; None: a provider's. Raises `InvalidRequest` before anything is
    sent."""
    if step.provider not in OWN:
        _check_provider(call, index, step)
        return None
    address = find_older(f"{GATEWAY_HOST}{call.account_id}/{call.address.gateway_id}/{step.provider}/{step.rest}")
    endpoint = None if address is None else address.endpoint
    if endpoint is None or endpoint.handler not in own or (endpoint.methods and "POST" not in endpoint.methods):
        raise InvalidRequest(
            f"Invalid provider: step {index} asks {step.provider} for {step.rest[:200]!r}, which is not there.",
            code=INVALID_PROVIDER,
            param=f"{index}.endpoint",
        )
    return address


def _check_provider(call: Call, index: int, step: Step) -> None:
    """What else may be wrong with it is for its turn, which may not come."""
    try:
        call.snapshot.models_of(call.account_id).native(
            NativeAsked(provider=step.provider, method="POST", rest=step.rest)
        )
    except InvalidRequest as error:
        if error.code == INVALID_PROVIDER:
            raise unknown_provider(index, step.provider) from None


def _unnamed(step: Step) -> Target:
    """What the row says of a step that failed before its model was known."""
    return Target(provider=step.provider, model="", name="", dialect="")


def _options(step: Step, outer: Mapping[bytes, bytes]) -> CallOptions:
    """What the step's `config` says goes before its own headers, those before the call's."""
    return read_layers(Layer(step.config, CONFIG_SPELLED, notes=step.unread), Layer(dict(step.lines)), Layer(outer))


def _lines(step: Step) -> Sequence[tuple[bytes, bytes]]:
    return step.lines if b"content-type" in dict(step.lines) else (*step.lines, JSON)


def _of_gateway(call: Call) -> CallOptions:
    """The gateway's settings that headers can override."""
    if call.gateway is None:
        return NO_OPTIONS
    settings = call.gateway.settings
    delay = settings.retry_delay or None
    return CallOptions(
        max_attempts=settings.retry_max_attempts or None,
        retry_delay_seconds=None if delay is None else delay / 1000,
        backoff=settings.retry_backoff or None,
    )


T = TypeVar("T")


def _first(values: Sequence[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


class Given:
    """A body that is here; an `Incoming`."""

    __slots__ = ("_data", "length")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length: int | None = len(data)

    async def whole(self) -> bytes:
        return self._data

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self._data
