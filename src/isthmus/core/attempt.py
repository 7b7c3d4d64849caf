"""One try at an answer: where it goes, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from isthmus.core.chat.model import Model
from isthmus.core.reply import Reply
from isthmus.errors import GatewayError

Headers = tuple[tuple[bytes, bytes], ...]
Sign = Callable[[str, str, Headers, bytes], Awaitable[Headers]]
"""(method, url, headers, body) → all the headers to send. Raises a `GatewayError` where there is nothing to sign with
now (a token that cannot be fetched)."""

Backoff = Literal["constant", "linear", "exponential"]
"""How the waits between attempts grow (data-plane 9.7)."""

NOT_KNOWN = Model(name="")


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request is sent, and the headers that sign it. `adapt` makes of a body in the dialect the one that is
    sent. `sign`, for signatures over the body and for tokens that run out, comes last: after `adapt`, with all headers.
    """

    url: str
    headers: Headers
    adapt: Callable[[bytes], bytes] | None = None
    sign: Sign | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one provider, in one dialect.

    `model` is the provider's name for it, `name` the gateway's own (`openai/gpt-5.5`), `author_name` the same with the
    author in the provider's place where that is spelled otherwise (`xai/grok-4`), `traits` what a writer of
    requests must know of it. `located` None: the address is known only when `locate` has been awaited (a process of
    ours that may have to start). `located_stream` is where streamed calls go, if not to the same place; `count` where
    the provider counts tokens, None where it does not. `forward` names the callers' headers that go along, each with
    what is sent where the caller gave none. `relay` False: answers are always written anew, and bear `name`.
    `constrain_tools`: the model knows no tools, they are emulated by constrained JSON. `platform`: a model that the
    installation itself serves.
    """

    provider: str
    model: str
    name: str
    dialect: str
    author_name: str = ""
    traits: Model = NOT_KNOWN
    located: Located | None = None
    located_stream: Located | None = None
    count: Located | None = None
    locate: Callable[[], Awaitable[Located]] | None = None
    forward: tuple[tuple[bytes, bytes | None], ...] = ()
    allow_private_address: bool = False
    relay: bool = True
    constrain_tools: bool = False
    platform: bool = False

    def place(self, stream: bool) -> Located | None:
        """None: await `locate`."""
        return self.located if self.located_stream is None or not stream else self.located_stream


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """`step` counts from 0, and is what the caller is told of who answered; `number` counts the tries at it from 1.
    `delay_seconds` is waited before it. `timeout_seconds`: how long the provider may take to its first byte, None: as
    long as the installation lets it."""

    target: Target
    step: int = 0
    number: int = 1
    delay_seconds: float = 0.0
    timeout_seconds: float | None = None


Outcome = Reply | GatewayError
