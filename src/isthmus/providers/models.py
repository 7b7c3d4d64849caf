"""Finds who serves a model: a name of data-plane 4.1 to a target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache

import msgspec

from isthmus.catalogue.names import slug_of
from isthmus.core.attempt import Located, Target
from isthmus.core.chat.model import Model
from isthmus.core.snapshot import Models
from isthmus.errors import NotFound
from isthmus.providers.provider import COMPATIBLE, Provider

REMEMBERED_NAMES = 4096
CUSTOM = "custom-"
"""What stands before the slug of a provider that is not built in (data-plane 8.1)."""

Traits = Callable[[str, str], Model]
"""(provider's slug, provider's own name of the model) → what is known of it."""


def name_alone(slug: str, wire_model: str) -> Model:
    return Model(name=wire_model)


class PlatformModel(msgspec.Struct, frozen=True, kw_only=True):
    """A `@cf/` model: served by `provider` under the name `model`, or by a process of ours found by `locate`."""

    provider: str
    model: str
    locate: Callable[[], Awaitable[Located]] | None = None


class ModelTable:
    """`providers` by slug, `platform` by lower-case model name. Names are taken in any case (data-plane 4.1)."""

    def __init__(
        self, providers: Mapping[str, Provider], platform: Mapping[str, PlatformModel], traits: Traits = name_alone
    ) -> None:
        self._providers = {slug.lower(): row for slug, row in providers.items()}
        self._platform = platform
        self._traits = traits
        # Names come from callers: what is remembered of them is bounded.
        self.resolve = lru_cache(REMEMBERED_NAMES)(self._resolve)

    def reachable(self) -> list[str]:
        """Slugs of the providers with chat models that can be called now."""
        return [row.slug for row in self._providers.values() if row.paths and row.refused() is None]

    def _resolve(self, name: str, dialect: str) -> Target:
        if name.startswith("@"):
            return self._platform_target(name.lower(), dialect)
        author, _, model = name.partition("/")
        provider = self._provider(author.lower())
        if provider is None or not model:
            raise NotFound(
                f"Model not found: {name[:200]}. Name it author/model, such as openai/gpt-5.5, or @cf/author/model."
            )
        return provider.target(model, f"{provider.slug}/{provider.catalogue_name(model)}", dialect, self._traits)

    def _provider(self, author: str) -> Provider | None:
        """What the operator calls by this very name comes before our other spellings."""
        found = self._providers.get(author) or self._providers.get(slug_of(author))
        if found is None and author.startswith(CUSTOM):
            found = self._providers.get(author.removeprefix(CUSTOM))
            return found if found is not None and found.custom else None
        return found

    def _platform_target(self, name: str, dialect: str) -> Target:
        row = self._platform.get(name)
        if row is None:
            raise NotFound(f"Model not found: {name[:200]}. This installation serves no model of that name.")
        if row.locate is None:
            target = self._providers[row.provider.lower()].target(row.model, name, dialect, self._traits)
            return msgspec.structs.replace(target, author_name=name, platform=True)
        return Target(
            provider=row.provider,
            model=row.model,
            name=name,
            author_name=name,
            dialect=COMPATIBLE["openai_chat"],
            traits=self._traits(row.provider, row.model),
            locate=row.locate,
            allow_private_address=True,
            relay=False,
            constrain_tools=True,
            platform=True,
        )


class AccountModels:
    """An account's own providers, by the name that stands before the slash, before everybody's."""

    def __init__(self, own: Mapping[str, Provider], everybodys: Models, traits: Traits = name_alone) -> None:
        self._own = own
        self._everybodys = everybodys
        self._traits = traits

    def resolve(self, name: str, dialect: str) -> Target:
        author, _, model = name.partition("/")
        provider = self._own.get(author.lower())
        if provider is None or not model:
            return self._everybodys.resolve(name, dialect)
        return provider.target(model, f"{provider.slug}/{model}", dialect, self._traits)
