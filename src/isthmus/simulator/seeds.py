"""Everything that looks random is derived from one seed, so that the same requests in the same order get the same
bytes. Also the seals by which a provider knows its own opaque values again.
"""

from __future__ import annotations

import base64
import hashlib
import random

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MARK_BYTES = 48


class Seed:
    def __init__(self, value: int) -> None:
        self._key = hashlib.blake2b(str(value).encode(), digest_size=32).digest()

    def digest(self, *parts: bytes | str) -> bytes:
        state = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            state.update(len(data).to_bytes(8, "big") + data)
        return state.digest()

    def rng(self, *parts: bytes | str) -> random.Random:
        return random.Random(self.digest(*parts))

    def seal(self, text: str) -> str:
        """An opaque value for `text`: a thinking block's signature, a reasoning item's encrypted content."""
        data = text.encode("utf-8", "surrogatepass")
        mark = hashlib.blake2b(data, key=self._key, digest_size=_MARK_BYTES).digest()
        return base64.b64encode(mark + data).decode()

    def unseal(self, sealed: str) -> str | None:
        """The text that was sealed; None if this seed never sealed it."""
        try:
            data = base64.b64decode(sealed, validate=True)[_MARK_BYTES:]
            text = data.decode("utf-8", "surrogatepass")
        except ValueError:
            return None
        return text if self.seal(text) == sealed else None


def identifier(rng: random.Random, prefix: str, length: int) -> str:
    return prefix + "".join(rng.choices(_ALPHABET, k=length))


def hexadecimal(rng: random.Random, prefix: str, length: int) -> str:
    return f"{prefix}{rng.getrandbits(length * 4):0{length}x}"
