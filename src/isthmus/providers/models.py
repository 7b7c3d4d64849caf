"""Finds who serves a model: a name of data-plane 4.1 to a target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache

import msgspec

from isthmus.core.attempt import Located, Target
from isthmus.errors import NotFound
from isthmus.providers.provider import COMPATIBLE, Provider

REMEMBERED_NAMES = 4096


class PlatformModel(msgspec.Struct, frozen=True, kw_only=True):
    """A `@cf/` model: served by `provider` under the name `model`, or by a process of ours found by `locate`."""

    provider: str
    model: str
    locate: Callable[[], Awaitable[Located]] | None = None


class ModelTable:
    """`providers` by slug, `platform` by lower-case model name. Names are taken in any case (data-plane 4.1)."""

    def __init__(self, providers: Mapping[str, Provider], platform: Mapping[str, PlatformModel]) -> None:
        self._providers = providers
        self._platform = platform
        # Names come from callers: what is remembered of them is bounded.
        self.resolve = lru_cache(REMEMBERED_NAMES)(self._resolve)

    def _resolve(self, name: str, dialect: str) -> Target:
        if name.startswith("@"):
            return self._platform_target(name.lower(), dialect)
        author, _, model = name.partition("/")
        provider = self._providers.get(author.lower())
        if provider is None or not model:
            raise NotFound(
                f"Model not found: {name[:200]}. Name it author/model, such as openai/gpt-5.5, or @cf/author/model."
            )
        return provider.target(model, f"{provider.slug}/{provider.catalogue_name(model)}", dialect)

    def _platform_target(self, name: str, dialect: str) -> Target:
        row = self._platform.get(name)
        if row is None:
            raise NotFound(f"Model not found: {name[:200]}. This installation serves no model of that name.")
        if row.locate is None:
            target = self._providers[row.provider].target(row.model, name, dialect)
            return msgspec.structs.replace(target, platform=True)
        return Target(
            provider=row.provider,
            model=row.model,
            name=name,
            dialect=COMPATIBLE["openai_chat"],
            locate=row.locate,
            allow_private_address=True,
            relay=False,
            constrain_tools=True,
            platform=True,
        )
