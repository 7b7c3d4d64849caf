"""Takes a provider's URL apart: the origin to connect to, and the target to ask it for."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

import msgspec

from isthmus.errors import InvalidRequest

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[^\[\]:@/?#\\\s]+)(?::([0-9]{0,5}))?", re.IGNORECASE)
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
_AFTER_SCHEME = len("https://")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """`host` is a name or an address, without the brackets of IPv6."""

    secure: bool
    host: str
    port: int

    @property
    def peer(self) -> str:
        """How error messages and CONNECT call it."""
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def authority(self) -> str:
        """What belongs into Host: the port only where it is not the scheme's own (RFC 9110, 7.2)."""
        return bracketed(self.host) if self.port == (443 if self.secure else 80) else self.peer


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def split_url(url: str) -> tuple[str, str]:
    """The text of the origin, and the request target. Both are still unchecked, but for the target's characters."""
    slash = url.find("/", _AFTER_SCHEME)
    text, target = (url, "/") if slash < 0 else (url[:slash], url[slash:])
    if "?" in text or "#" in text:
        text, target = _split_without_path(url)
    if "#" in target:
        target = target[: target.index("#")]
    if not (target.isascii() and target.isprintable()) or " " in target:
        raise InvalidRequest("The provider's URL has characters which must be percent-encoded.")
    return text, target


def _split_without_path(url: str) -> tuple[str, str]:
    end = min(at for at in (url.find("?"), url.find("#")) if at >= 0)
    return url[:end], "/" + url[end:]


def parse_origin(text: str) -> Origin:
    match = _ORIGIN.fullmatch(text)
    if match is None:
        # The text is not quoted: it may hold a user name and a password.
        raise InvalidRequest("The provider's URL is not a valid http:// or https:// address.")
    secure = match[1].lower() == "https"
    port = int(match[3]) if match[3] else (443 if secure else 80)
    if not 0 < port < 65536:
        raise InvalidRequest("The provider's URL has a port which does not exist.")
    return Origin(secure=secure, host=_parse_host(match[2]), port=port)


def _parse_host(text: str) -> str:
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        host = text if text.isascii() else text.encode("idna").decode("ascii")
    except ValueError:
        host = ""
    if not _HOST_NAME.fullmatch(host):
        raise InvalidRequest("The provider's URL has a host name which is not valid.")
    return host.lower()
