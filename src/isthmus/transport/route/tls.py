"""Makes the TLS context when the first https:// origin is met: it costs tens of milliseconds."""

from __future__ import annotations

import ssl

from isthmus.transport import faults


class TlsContext:
    """The system's trust store and any extra files of authorities; certificates and host names are always checked."""

    __slots__ = ("_context", "_extra_ca_files")

    def __init__(self, extra_ca_files: tuple[str, ...] = ()) -> None:
        self._extra_ca_files = extra_ca_files
        self._context: ssl.SSLContext | None = None

    def get(self) -> ssl.SSLContext:
        if self._context is None:
            context = ssl.create_default_context()
            for path in self._extra_ca_files:
                _trust(context, path)
            context.set_alpn_protocols(["http/1.1"])
            self._context = context
        return self._context


def _trust(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        raise faults.unreadable_authorities() from error
