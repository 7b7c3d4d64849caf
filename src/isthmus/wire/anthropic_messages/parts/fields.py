"""Fields that a block must have, read with the path that a refusal names."""

from __future__ import annotations

from isthmus.errors import InvalidRequest
from isthmus.wire.media import WEB_URL


def required(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"`{at}` is required and must be a string.", param=at)
    return value


def web_url(value: object, at: str) -> str:
    url = required(value, at)
    if WEB_URL.match(url) is None:
        raise InvalidRequest(f"`{at}` must be an http or https URL.", param=at)
    return url
