"""One try at an answer: where it goes, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from isthmus.core.reply import Reply
from isthmus.errors import GatewayError


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request is sent, and the headers that sign it."""

    url: str
    headers: tuple[tuple[bytes, bytes], ...]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one provider, in one dialect.

    `model` is the provider's name for it, `name` the gateway's own (`openai/gpt-5.5`). `located` None: the address is
    known only when `locate` has been awaited (a process of ours that may have to start). `forward` names the callers'
    headers that go along, each with what is sent where the caller gave none. `relay` False: answers are always written
    anew, and bear `name`. `constrain_tools`: the model knows no tools, they are emulated by constrained JSON.
    `platform`: a model that the installation itself serves.
    """

    provider: str
    model: str
    name: str
    dialect: str
    located: Located | None = None
    locate: Callable[[], Awaitable[Located]] | None = None
    forward: tuple[tuple[bytes, bytes | None], ...] = ()
    allow_private_address: bool = False
    relay: bool = True
    constrain_tools: bool = False
    platform: bool = False


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """`number` counts from 1; `delay_seconds` is waited before it."""

    target: Target
    number: int = 1
    delay_seconds: float = 0.0


Outcome = Reply | GatewayError
