"""What a provider is: a value that says where its endpoints are, what they speak and how a request is signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from isthmus.core.attempt import Located, Target
from isthmus.errors import InvalidRequest

USER_AGENT = (b"user-agent", b"isthmus/0.1")
JSON = (b"content-type", b"application/json")
COMPATIBLE = {"openai_chat": "openai_chat_compatible"}
TRACING: tuple[tuple[bytes, bytes | None], ...] = ((b"traceparent", None), (b"tracestate", None))


def as_named(model: str) -> str:
    return model


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """`base_url` ends in a slash; `paths` gives for each dialect that it speaks the path below it, the preferred first.

    `variants` names for a dialect the registry's way of writing it that suits this provider (`openai_chat_compatible`).
    `credential_variable` is the environment's usual name for its key. `forward` is data-plane 2.3's allow-list for it.
    `wire_name` makes of a catalogue name the provider's own, `catalogue_name` of its other spellings the one that log
    rows have. `needs_credential` False: a server of the operator's that may ask for none.
    """

    slug: str
    base_url: str
    paths: Mapping[str, str]
    variants: Mapping[str, str] = {}
    credential_header: Literal["authorization", "x-api-key"] = "authorization"
    credential_variable: str | None = None
    credential: str | None = None
    needs_credential: bool = True
    forward: tuple[tuple[bytes, bytes | None], ...] = TRACING
    wire_name: Callable[[str], str] = as_named
    catalogue_name: Callable[[str], str] = as_named
    allow_private_address: bool = False

    def target(self, model: str, name: str, dialect: str) -> Target:
        """`dialect` is the caller's; the target speaks it where the provider does. Raises `InvalidRequest` where
        the installation has no credential for this provider (data-plane 10.3)."""
        spoken = dialect if dialect in self.paths else next(iter(self.paths))
        return Target(
            provider=self.slug,
            model=self.wire_name(model),
            name=name,
            dialect=self.variants.get(spoken, spoken),
            located=Located(url=self.base_url + self.paths[spoken], headers=self._signed()),
            forward=self.forward,
            allow_private_address=self.allow_private_address,
        )

    def _signed(self) -> tuple[tuple[bytes, bytes], ...]:
        if self.credential is None:
            if self.needs_credential:
                raise InvalidRequest(
                    f"This installation has no credential for the provider {self.slug}. Set "
                    f"{self.credential_variable or 'a credential'} in the gateway's environment, or `credential` under "
                    f"[providers.{self.slug}] in isthmus.toml."
                )
            return (JSON, USER_AGENT)
        secret = self.credential.encode()
        if self.credential_header == "authorization":
            return (JSON, USER_AGENT, (b"authorization", b"Bearer " + secret))
        return (JSON, USER_AGENT, (b"x-api-key", secret))
