"""What an installation has for a provider: its credential, its address, where in a cloud it works."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from isthmus.core.attempt import Headers
from isthmus.transport.protocol import Transport


class Misconfigured(ValueError):
    """The operator's: the provider cannot be called as it is set up. The message says what to do."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """`environment` holds the usual variables, which count where nothing else is said. `usual_credential` False: but
    not those with credentials; the operator has named another, and it may be missing. `region`, `project` and
    `api_version` are for the clouds that ask for them. `transport` is what tokens are fetched through."""

    environment: Mapping[str, str] = {}
    base_url: str | None = None
    credential: str | None = None
    usual_credential: bool = True
    headers: Headers = ()
    allow_private_address: bool = False
    region: str | None = None
    project: str | None = None
    api_version: str | None = None
    transport: Transport | None = None

    def variable(self, *names: str) -> str | None:
        """The first of these variables that is set to something."""
        return next((value for name in names if (value := self.environment.get(name))), None)

    def secret(self, name: str) -> str | None:
        """The same for a part of a credential."""
        return self.variable(name) if self.usual_credential else None
