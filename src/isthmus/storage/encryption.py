"""Bodies as they are kept: plain, or encrypted with AES-256-GCM under a key derived from the installation's secret.

A kept body is one byte (0 plain, 1 encrypted) and what it holds: encrypted, a nonce of 12 bytes, the ciphertext, and
its tag of 16 bytes (NIST SP 800-38D). The place where a body is kept (account, owner, item) is bound to it: one that is
moved elsewhere does not open. The key is HKDF-SHA256 (RFC 5869) of `--secret-key`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Protocol

from isthmus.storage.protocols import StorageError

KEY_FILE = "secret.key"
NONCE_BYTES = 12
_PLAIN, _ENCRYPTED = b"\x00", b"\x01"
_PURPOSE = b"isthmus state 1"


class BodyUnreadable(StorageError):
    """A body was encrypted with another key, or is not where it was put."""


class MissingLibrary(StorageError):
    """The extra `encryption` is not installed."""


class Encryption(Protocol):
    def seal(self, body: bytes, *place: str) -> bytes: ...

    def open(self, kept: bytes, *place: str) -> bytes:
        """Raises `BodyUnreadable`."""
        ...


class Plain:
    """Writes bodies as they are, and cannot read encrypted ones."""

    def seal(self, body: bytes, *place: str) -> bytes:
        return _PLAIN + body

    def open(self, kept: bytes, *place: str) -> bytes:
        if kept[:1] != _PLAIN:
            raise BodyUnreadable(
                "What is stored is encrypted, and this server was started without a key. Start it with "
                "--state-encryption on and the --secret-key that it was written with."
            )
        return kept[1:]


class AesGcm:
    """Reads what is plain and what is encrypted. `writes`: whether it encrypts what it writes."""

    def __init__(self, secret: str, *, writes: bool = True) -> None:
        """Raises `MissingLibrary`."""
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        except ImportError:
            raise MissingLibrary(
                "--state-encryption on needs a library that is not installed: pip install 'isthmus[encryption]'"
            ) from None
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
        self._cipher = AESGCM(key)
        self._writes = writes

    def seal(self, body: bytes, *place: str) -> bytes:
        if not self._writes:
            return _PLAIN + body
        nonce = os.urandom(NONCE_BYTES)
        return _ENCRYPTED + nonce + self._cipher.encrypt(nonce, body, _bound_to(place))

    def open(self, kept: bytes, *place: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        if kept[:1] == _PLAIN:
            return kept[1:]
        nonce, ciphertext = kept[1 : 1 + NONCE_BYTES], kept[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _bound_to(place))
        except (InvalidTag, ValueError):
            raise BodyUnreadable(
                "What is stored does not open with this server's key. Start it with the --secret-key (or the file "
                f"{KEY_FILE} in its data directory) that it was written with."
            ) from None


def encryption_of(on: bool, secret: str | None, directory: Path) -> Encryption:
    """`secret` None: the one in `directory`, generated where encryption is on and there is none. Where it is off, what
    was encrypted before can still be read. Raises `StorageError`."""
    path = directory / KEY_FILE
    if on:
        return AesGcm(secret if secret is not None else _kept_secret(path))
    if secret is None and not path.exists():
        return Plain()
    try:
        return AesGcm(secret if secret is not None else _kept_secret(path), writes=False)
    except MissingLibrary:
        return Plain()


def _kept_secret(path: Path) -> str:
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            kept = path.read_text("ascii").strip()
            if not kept:
                raise StorageError(f"{path} is empty: put the secret key back, or give --secret-key.") from None
            return kept
        made = secrets.token_urlsafe(32)
        with os.fdopen(descriptor, "w") as file:
            file.write(made + "\n")
            file.flush()
            os.fsync(file.fileno())
        return made
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read or written: {error}.") from error


def _bound_to(place: tuple[str, ...]) -> bytes:
    """No two places give the same bytes: each part is told with its length."""
    return b"".join(b"%d:%b" % (len(part.encode()), part.encode()) for part in place)
