"""What a change of the configuration takes out of the cache, whoever made it: the API, another process, isthmus.toml.

To be purged when the new configuration serves calls: only then is nothing of the old kept any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from isthmus.core.account import Account
from isthmus.core.gateway import Gateway
from isthmus.storage.protocols import Cache, Configuration, Purge

K = TypeVar("K")


class Invalidation:
    def __init__(self, store: Cache) -> None:
        self._store = store

    async def configured(self, old: Configuration, new: Configuration) -> None:
        await self._purge(purges(old, new))

    async def declared(self, accounts: Iterable[Account], old: Mapping[str, object], new: Mapping[str, object]) -> None:
        await self._purge(of_providers(accounts, old, new))

    async def _purge(self, going: Iterable[Purge]) -> None:
        for each in going:
            await self._store.purge(each)


def purges(old: Configuration, new: Configuration) -> list[Purge]:
    """All of a gateway that is no more, or was changed and wants that; what was answered under the name of a custom
    provider that leads elsewhere now."""
    gateways = {(gateway.account_id, gateway.id): gateway for gateway in new.gateways}
    gone = [
        Purge(account_id=gateway.account_id, gateway_id=gateway.id)
        for gateway in old.gateways
        if _is_invalid(gateway, gateways.get((gateway.account_id, gateway.id)))
    ]
    moved = [
        Purge(account_id=account_id, provider=provider)
        for account_id, provider in _different(_custom(old), _custom(new))
    ]
    return gone + moved


def of_providers(accounts: Iterable[Account], old: Mapping[str, object], new: Mapping[str, object]) -> list[Purge]:
    """The same of providers that are everybody's: by slug, whatever says where they lead."""
    moved = _different(old, new)
    return [Purge(account_id=account.id, provider=slug) for account in accounts for slug in moved]


def _is_invalid(old: Gateway, new: Gateway | None) -> bool:
    if new is None or old.declared != new.declared:
        return True
    if not new.declared and old.created_at != new.created_at:
        return True  # removed, and made anew
    return new.settings != old.settings and new.settings.cache_invalidate_on_update


def _custom(configuration: Configuration) -> dict[tuple[str, str], tuple[str, str | None]]:
    """By account and name in the data plane, what an answer depends on; one that is switched off does not answer."""
    return {
        (each.account_id, f"custom-{each.slug}"): (each.base_url, each.headers)
        for each in configuration.custom_providers
        if each.enable
    }


def _different(old: Mapping[K, object], new: Mapping[K, object]) -> list[K]:
    """One that is new counts too: something else may have had its name."""
    return [key for key in {**old, **new} if old.get(key) != new.get(key)]
