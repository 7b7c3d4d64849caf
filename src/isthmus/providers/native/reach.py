"""A native path made into the place that it leads to: its address, what is known of it, what signs for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from isthmus.catalogue.names import author_of
from isthmus.core.attempt import Headers
from isthmus.core.native import Known, NativeAsked, NativePlace
from isthmus.errors import InvalidRequest
from isthmus.providers.native.where import Where
from isthmus.providers.provider import Place, Provider

VERSION = "v1/"
_SEGMENT = "(?:[^/%]|%(?!2[fF]))+"
_REMEMBERED_PATTERNS = 1024


def reach(row: Provider, asked: NativeAsked) -> NativePlace:
    """Raises `InvalidRequest` where the path can be none of the provider's, or its address is not known."""
    where = plainly(row, asked) if row.native.where is None else row.native.where(row, asked)
    known = recognised(row, where.path) if asked.method == "POST" else None
    here = _origin(where.url) == _origin(row.base_url)
    credential = _credential(row) if where.headers is None else where.headers
    keyless = not row.needs_credential and row.credential is None and (row.moved or row.allow_private_address)
    return NativePlace(
        provider=row.slug,
        url=where.url,
        known=known,
        open=known is not None or opened(row, asked.method, where.path),
        guarded=bool(credential or row.sign or row.declared_headers or keyless),
        fixed=row.headers[: len(row.headers) - len(row.declared_headers)],
        declared=row.declared_headers,
        credential=credential,
        sign=where.sign or row.sign,
        closed=row.refused() or where.foreign,
        unreachable=row.private() if here else None,
        keyless=keyless,
        key_header=row.auth.header.encode(),
        bearer_as=where.bearer_as,
        allow_private_address=row.allow_private_address and here,
        refusals=next((row.variants.get(dialect, dialect) for dialect in row.paths), None),
        name=lambda model: _named(row, model),
    )


def plainly(row: Provider, asked: NativeAsked) -> Where:
    """Below the base URL. Of built-in providers one `v1` too many, or too few for a path that is known, is overlooked:
    SDKs put one behind the base that they are given, or do not."""
    if not row.base_url:
        raise InvalidRequest(row.refused() or f"The provider {row.slug} has no address here.")
    rest = asked.rest
    if row.native.collapses:
        rest = rest.removeprefix(VERSION)
    elif not row.custom and recognised(row, rest) is None and recognised(row, VERSION + rest) is not None:
        rest = VERSION + rest
    return Where(url=row.base_url + rest, path=rest)


def recognised(row: Provider, path: str) -> Known | None:
    """What a path is, of those that the row has its dialects at."""
    for dialect, place in _places(row):
        for pattern, streams, counts in _forms(place):
            found, model = _compared(pattern.partition("?")[0], path)
            if found:
                known = _known(row, dialect, model, streams=streams, counts=counts)
                if known is not None:
                    return known
    return None


def opened(row: Provider, method: str, path: str) -> bool:
    """Whether it is one of the places that keep nothing. A provider's list of its models stands beside its chats."""
    asked = f"{'GET' if method == 'HEAD' else method} {path}"
    if any(_compiled(pattern).fullmatch(asked) for pattern in row.native.open):
        return True
    chat = row.paths.get("openai_chat")
    return chat is not None and asked == f"GET {chat.path.removesuffix('chat/completions')}models"


def _places(row: Provider) -> Iterator[tuple[str, Place]]:
    yield from row.paths.items()
    yield from row.embeddings.items()
    yield from row.native.places


def _forms(place: Place) -> Iterator[tuple[str, bool | None, bool]]:
    """Each path of a place, whether it streams, whether it counts."""
    if place.stream is not None and place.stream != place.path:
        yield place.path, False, False
        yield place.stream, True, False
    else:
        yield place.path, None, False
    if place.count is not None:
        yield place.count, False, True


def _known(row: Provider, dialect: str, model: str | None, *, streams: bool | None, counts: bool) -> Known | None:
    embeds = dialect in row.embeddings
    if embeds and row.embeddings_of is not None:  # one path for several vendors' bodies: its model says whose
        dialect = next(iter(row.embeddings_of(model or "")), "")
        if not dialect:
            return None
    return Known(dialect=row.variants.get(dialect, dialect), model=model, streams=streams, counts=counts, embeds=embeds)


def _compared(pattern: str, path: str) -> tuple[bool, str | None]:
    """Whether a path is of this form, and the model in it: one segment, whose slashes are encoded."""
    before, marked, after = pattern.partition("{model}")
    if not marked:
        return path == pattern, None
    model = path[len(before) : len(path) - len(after)]
    fits = path.startswith(before) and path.endswith(after) and model and "/" not in model
    return (True, unquote(model)) if fits and len(path) > len(before) + len(after) else (False, None)


def _credential(row: Provider) -> Headers:
    if row.credential is None or row.sign is not None:
        return ()
    return ((row.auth.header.encode(), (row.auth.scheme + row.credential).encode()),)


def _named(row: Provider, model: str) -> tuple[str, str]:
    name = f"{row.slug}/{row.catalogue_name(model)}"
    return name, author_of(row.slug) + name[name.find("/") :]


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


@lru_cache(_REMEMBERED_PATTERNS)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\{\}", _SEGMENT).replace(r"\{\+\}", "[^/]+")
    return re.compile(text)
