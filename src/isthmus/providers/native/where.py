"""Where a native path lies at its provider."""

from __future__ import annotations

import msgspec

from isthmus.core.attempt import Headers, Sign


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """`url`: without the caller's query. `path`: the part of it that the row's own paths are compared with. `foreign`:
    why the installation's credential is not for this place. `headers`, `sign`: its credential, where it is another than
    the row's. `bearer_as`: the header into which a bearer's key is put."""

    url: str
    path: str
    foreign: str | None = None
    headers: Headers | None = None
    sign: Sign | None = None
    bearer_as: bytes | None = None
