"""Whether a native address can be passed on as it was sent: nothing in it may lead out of the provider's own base."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from isthmus.errors import InvalidRequest

PATH_MAX_CHARACTERS = 4096
QUERY_MAX_BYTES = 16 * 1024
TIMES_DECODED = 4
"""How often servers on the way may decode a path, each once more than the last."""

# RFC 3986, 3.3: what a segment may hold, and the slashes between.
_PATH = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%/|^\[\]{}]*")
_QUERY = re.compile(rb"[\x21-\x7e]*")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BETWEEN = re.compile(r"[/\\]")


def check_path(path: str) -> None:
    """Of a path without the slash in front. Raises `InvalidRequest`. A slash at the end, and an encoded one within a
    name, may stay."""
    if len(path) > PATH_MAX_CHARACTERS:
        raise _refused(f"it is over {PATH_MAX_CHARACTERS} characters", status=414)
    if not path:
        raise _refused("it ends with the provider's name, and names no path of the provider's")
    if not _PATH.fullmatch(path) or _BROKEN_ESCAPE.search(path):
        raise _refused("it has characters that must be percent-encoded")
    if path.startswith("/") or "//" in path:
        raise _refused("it has an empty segment")
    _check_decoded(path)


def check_query(query: bytes) -> None:
    """Raises `InvalidRequest`."""
    if len(query) > QUERY_MAX_BYTES:
        raise _refused(f"its query is over {QUERY_MAX_BYTES} bytes", status=414)
    if not _QUERY.fullmatch(query):
        raise _refused("its query has characters that must be percent-encoded")


def check_target_url(url: str) -> None:
    """Of an address that a header names whole: its path and its query. Whose it may be is the provider's to say."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _refused("the address in x-fal-target-url is none") from None
    check_path(parts.path.removeprefix("/"))
    check_query(parts.query.encode("latin-1", "replace"))


def _check_decoded(path: str) -> None:
    for _ in range(TIMES_DECODED):
        if _CONTROL.search(path):
            raise _refused("it has a control character")
        if "\\" in path:
            raise _refused("it has a backslash")
        # Some servers take what follows a semicolon for a parameter of the segment.
        if any(segment.partition(";")[0] in (".", "..") for segment in _BETWEEN.split(path)):
            raise _refused("it has a segment `.` or `..`")
        decoded = unquote(path, errors="replace")
        if decoded == path:
            return
        path = decoded
    raise _refused("it is percent-encoded too many times over")


def _refused(reason: str, *, status: int = 400) -> InvalidRequest:
    return InvalidRequest(f"The address cannot be passed on: {reason}.", status=status)
