"""Finds who serves a model: a name of data-plane 4.1 to a target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache

import msgspec

from isthmus.catalogue.names import slug_of
from isthmus.core.attempt import Located, Target
from isthmus.core.chat.model import Model
from isthmus.core.native import NativeAsked, NativePlace
from isthmus.core.snapshot import Models
from isthmus.errors import InvalidRequest, NotFound
from isthmus.providers.native.reach import reach
from isthmus.providers.provider import COMPATIBLE, Provider
from isthmus.wire.embeddings.registry import CALLERS

REMEMBERED_NAMES = 4096
INVALID_PROVIDER = 2008
LOCAL_EMBEDDINGS = "openai_embeddings_local"
CUSTOM = "custom-"
"""What stands before the slug of a provider that is not built in (data-plane 8.1)."""

Traits = Callable[[str, str], Model]
"""(provider's slug, provider's own name of the model) → what is known of it."""


def name_alone(slug: str, wire_model: str) -> Model:
    return Model(name=wire_model)


class PlatformModel(msgspec.Struct, frozen=True, kw_only=True):
    """A `@cf/` model: served by `provider` under the name `model`, or by a process of ours found by `locate`, which
    then `embeds` or answers chats."""

    provider: str
    model: str
    locate: Callable[[], Awaitable[Located]] | None = None
    embeds: bool = False


class ModelTable:
    """`providers` by slug, `platform` by lower-case model name. Names are taken in any case (data-plane 4.1)."""

    def __init__(
        self, providers: Mapping[str, Provider], platform: Mapping[str, PlatformModel], traits: Traits = name_alone
    ) -> None:
        self._providers = {slug.lower(): row for slug, row in providers.items()}
        self._platform = platform
        self._traits = traits
        # Names come from callers: what is remembered of them is bounded. Their keys are not remembered.
        self.remembered = lru_cache(REMEMBERED_NAMES)(self._resolve)

    def resolve(self, name: str, dialect: str, key: str | None = None) -> Target:
        return self.remembered(name, dialect) if key is None else self._resolve(name, dialect, key)

    def native(self, asked: NativeAsked) -> NativePlace:
        row = self._provider(asked.provider.lower())
        if row is None:
            raise InvalidRequest(
                f"Invalid provider: there is none named {asked.provider[:64]!r}.",
                code=INVALID_PROVIDER,
                param="provider",
            )
        return reach(row, asked)

    def reachable(self) -> list[str]:
        """Slugs of the providers with chat models that can be called now."""
        return [row.slug for row in self._providers.values() if row.paths and row.refused() is None]

    def embedding(self) -> list[str]:
        """Slugs of those that give embeddings."""
        return [
            row.slug
            for row in self._providers.values()
            if (row.embeddings or row.embeddings_of is not None) and row.refused() is None
        ]

    def _resolve(self, name: str, dialect: str, key: str | None = None) -> Target:
        if name.startswith("@"):
            return self._platform_target(name.lower(), dialect)
        author, _, model = name.partition("/")
        provider = self._provider(author.lower())
        if provider is None or not model:
            raise NotFound(
                f"Model not found: {name[:200]}. Name it author/model, such as openai/gpt-5.5, or @cf/author/model."
            )
        named = f"{provider.slug}/{provider.catalogue_name(model)}"
        return provider.keyed(key).target(model, named, dialect, self._traits)

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
        if row.embeds != (dialect in CALLERS):
            gives = "gives embeddings alone" if row.embeds else "answers chats and gives no embeddings"
            raise InvalidRequest(f"The model {name} {gives}. Choose another model for this call.", param="model")
        return Target(
            provider=row.provider,
            model=row.model,
            name=name,
            author_name=name,
            dialect=LOCAL_EMBEDDINGS if row.embeds else COMPATIBLE["openai_chat"],
            traits=self._traits(row.provider, row.model),
            locate=row.locate,
            allow_private_address=True,
            relay=False,
            constrain_tools=not row.embeds,
            platform=True,
        )


class AccountModels:
    """An account's own providers, by the name that stands before the slash, before everybody's."""

    def __init__(self, own: Mapping[str, Provider], everybodys: Models, traits: Traits = name_alone) -> None:
        self._own = own
        self._everybodys = everybodys
        self._traits = traits

    def resolve(self, name: str, dialect: str, key: str | None = None) -> Target:
        author, _, model = name.partition("/")
        provider = self._own.get(author.lower())
        if provider is None or not model:
            return self._everybodys.resolve(name, dialect, key)
        return provider.keyed(key).target(model, f"{provider.slug}/{model}", dialect, self._traits)

    def native(self, asked: NativeAsked) -> NativePlace:
        row = self._own.get(asked.provider.lower())
        return self._everybodys.native(asked) if row is None else reach(row, asked)
