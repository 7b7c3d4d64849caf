"""Metadata: what callers want in the row, and limits and rules to go by (data-plane 11.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from isthmus.core.call import MetadataValue
from isthmus.data_plane.options.values import Fate, Odd, ignored

METADATA_MAX_ENTRIES = 5
METADATA_MAX_BYTES = 8192

_EXACT_BELOW = 2**53  # a number of more is another one to whoever reads it as a double

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_LONG = ignored(f"it is longer than {METADATA_MAX_BYTES} bytes")
_NO_OBJECT = ignored("it is no JSON object")
_PLATFORMS: tuple[Fate, str] = ("ignored", "keys that begin with cf. are left out")
_NESTED: tuple[Fate, str] = ("ignored", "objects and arrays in it are left out")
_MANY: tuple[Fate, str] = ("ignored", f"only the first {METADATA_MAX_ENTRIES} entries are kept")
_BIG: tuple[Fate, str] = ("clamped", "whole numbers from 2^53 on are kept as text")


def metadata(value: bytes) -> Mapping[str, MetadataValue] | Odd:
    """The first five flat entries."""
    if len(value) > METADATA_MAX_BYTES:
        return _LONG
    try:
        entries = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NO_OBJECT
    kept: dict[str, MetadataValue] = {}
    told: list[tuple[Fate, str]] = []
    for key, entry in entries.items():
        if key.startswith("cf."):
            told.append(_PLATFORMS)
        elif not isinstance(entry, str | int | float | bool | None):
            told.append(_NESTED)
        elif len(kept) == METADATA_MAX_ENTRIES:
            told.append(_MANY)
        elif isinstance(entry, int) and abs(entry) >= _EXACT_BELOW:
            kept[key] = str(entry)
            told.append(_BIG)
        else:
            kept[key] = entry
    return Odd(kept, tuple(dict.fromkeys(told))) if told else kept
