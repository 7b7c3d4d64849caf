"""Providers whose native paths do not all lie below one address."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from isthmus.core.native import NativeAsked
from isthmus.errors import InvalidRequest
from isthmus.providers.native.reach import VERSION, plainly
from isthmus.providers.native.where import Where
from isthmus.providers.provider import Provider

HUGGINGFACE_MODELS = "https://api-inference.huggingface.co/models/"
_BASETEN = re.compile(r"model/([A-Za-z0-9]{1,40})(?:/(.*))?")
_FAL = ("fal.run", "fal.ai")


def openrouter(row: Provider, asked: NativeAsked) -> Where:
    """All of its API is below `v1`, which callers write or leave out."""
    rest = asked.rest if asked.rest.startswith(VERSION) else VERSION + asked.rest
    return Where(url=row.base_url + rest, path=rest)


def huggingface(row: Provider, asked: NativeAsked) -> Where:
    """A model's own name leads to the models' host, `v1` to the router."""
    rest = asked.rest
    base_url = row.base_url if row.moved or rest.startswith(VERSION) else HUGGINGFACE_MODELS
    return Where(url=base_url + rest, path=rest)


def baseten(row: Provider, asked: NativeAsked) -> Where:
    """`model/{id}` leads to that model's own host. https://docs.baseten.co/reference/inference-api/overview"""
    found = _BASETEN.fullmatch(asked.rest)
    if found is None or row.moved:
        return plainly(row, asked)
    rest = found[2] or "production/predict"
    return Where(url=f"https://model-{found[1].lower()}.api.baseten.co/{rest}", path=f"model/{found[1]}/{rest}")


def fal(row: Provider, asked: NativeAsked) -> Where:
    """`x-fal-target-url` is the whole of another address of fal's, the queue's say; the path does not count then."""
    if asked.target_url is None:
        return plainly(row, asked)
    try:
        target = urlsplit(asked.target_url)
        port = target.port
    except ValueError:
        raise _no_target() from None
    host = target.hostname or ""
    its_own = host in _FAL or host.endswith(tuple(f".{name}" for name in _FAL))
    if target.scheme != "https" or not its_own or port not in (None, 443) or "@" in target.netloc:
        raise _no_target()
    rest = target.path.removeprefix("/") + (f"?{target.query}" if target.query else "")
    path = target.path.removeprefix("/") if host == "fal.run" else f"//{host}{target.path}"
    return Where(url=(row.base_url if row.moved else f"https://{host}/") + rest, path=path)


def _no_target() -> InvalidRequest:
    return InvalidRequest(
        "x-fal-target-url must be an https:// address at fal.run or fal.ai.", param="x-fal-target-url"
    )
