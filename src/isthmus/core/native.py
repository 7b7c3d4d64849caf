"""A provider's own API as callers reach it (data-plane 7.1): what is asked for, and where that lies."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from isthmus.core.attempt import Headers, Sign


class NativeAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`provider`: its slug. `rest`: the path below it as it was sent, with no slash in front. `target_url`: the header
    `x-fal-target-url`."""

    provider: str
    method: str
    rest: str
    target_url: str | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A path whose requests and answers can be read. `dialect`: its name in the registry (a variant's, it may be).
    `model`: the one in the path. `streams`: whether the path says that the answer is streamed, None where the body
    does. `counts`: the answer is how many tokens the request has. `embeds`: it is vectors."""

    dialect: str
    model: str | None = None
    streams: bool | None = None
    counts: bool = False
    embeds: bool = False


class NativePlace(msgspec.Struct, frozen=True, kw_only=True):
    """`url`: without the caller's query. `fixed`: headers for where the caller sends none of that name. For calls that
    bear a token of the installation's alone: `declared`, the operator's own headers, and `credential` or `sign`.
    `closed`: why the installation's credential cannot be used now (none there, another's resource). `guarded`: what
    lies there is the installation's. `open`: a place that keeps nothing, so that a shared credential shows nobody what
    is another's. `unreachable`: why not even a caller with a key of its own can reach it. `keyless`: a server of the
    operator's that asks for no key. `key_header`: where the provider takes its key. `bearer_as`: the header into which
    a bearer's key is put. `name`: the provider's spelling of a model to the gateway's name for it, and the same with
    its author in front. `refusals`: the dialect that the provider's errors are in, as far as that is known."""

    provider: str
    url: str
    known: Known | None = None
    open: bool = False
    guarded: bool = True
    fixed: Headers = ()
    declared: Headers = ()
    credential: Headers = ()
    sign: Sign | None = None
    closed: str | None = None
    unreachable: str | None = None
    keyless: bool = False
    key_header: bytes = b"authorization"
    bearer_as: bytes | None = None
    allow_private_address: bool = False
    refusals: str | None = None
    name: Callable[[str], tuple[str, str]]
