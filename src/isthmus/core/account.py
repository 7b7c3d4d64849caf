"""Who calls: accounts, and the API tokens that speak for them."""

from __future__ import annotations

import hashlib
import re
import secrets

import msgspec

WORKERS_AI_READ = "Workers AI Read"
AI_GATEWAY_RUN = "AI Gateway Run"
AI_GATEWAY_READ = "AI Gateway Read"
AI_GATEWAY_WRITE = "AI Gateway Write"
PERMISSIONS = (WORKERS_AI_READ, AI_GATEWAY_RUN, AI_GATEWAY_READ, AI_GATEWAY_WRITE)

SECRET_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of so many bytes, without padding


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is 32 hexadecimal digits by custom; any path-safe text is taken. `created_at` in epoch seconds."""

    id: str
    name: str
    created_at: float


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """An API token. Only `digest` (SHA-256 of the secret, hexadecimal) is kept: the secret has 256 random bits, so a
    slow hash would add time and no safety. `gateways` and `models` None: all; a model may end in `*`.
    Times in epoch seconds."""

    id: str
    account_id: str
    name: str
    digest: str
    permissions: tuple[str, ...]
    gateways: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    expires_on: float | None = None
    created_at: float
    revoked: bool = False

    def live(self, now: float) -> bool:
        return not self.revoked and (self.expires_on is None or now < self.expires_on)

    def may_pass(self, gateway_id: str) -> bool:
        return self.gateways is None or gateway_id in self.gateways

    def may_call(self, *spellings: str) -> bool:
        """A model, by any of these spellings of its name, in any case."""
        if self.models is None:
            return True
        names = [name.lower() for name in spellings]
        return any(
            name == rule or (rule.endswith("*") and name.startswith(rule[:-1]))
            for rule in map(str.lower, self.models)
            for name in names
        )


def new_secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def has_form(secret: str) -> bool:
    """Whether it may be one that `new_secret` made. An operator may give a token of any other form."""
    return _SECRET.fullmatch(secret) is not None


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
