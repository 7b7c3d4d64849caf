"""The catalogue: finds the one card of a model, however it is spelled, and lists the cards there are.

Knows nothing of this installation: who has credentials, and what runs here, is for others to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, lru_cache

import msgspec

from isthmus.catalogue.card import Lifecycle, ModelCard
from isthmus.catalogue.facts import UNKNOWN, Facts, Family, read_facts
from isthmus.catalogue.names import PRICED_AS, author_of, dotted, folded, slug_of, spellings
from isthmus.catalogue.price import Price
from isthmus.catalogue.priced import Priced, Snapshot, read_snapshot
from isthmus.core.chat.model import Model

REMEMBERED_NAMES = 4096
NAME_MAX_CHARACTERS = 256

# Where a host has no price of its own, it asks what the maker asks.
_MAKERS = {
    "azure-openai": ("openai", "anthropic", "deepseek", "grok", "moonshotai"),
    "google-vertex-ai": ("anthropic",),
}
_FORMATS = {
    "openai": ("OpenAI Chat Completions", "OpenAI Responses"),
    "azure-openai": ("OpenAI Chat Completions", "OpenAI Responses"),
    "anthropic": ("Anthropic Messages",),
    "google-ai-studio": ("Google Generate Content",),
    "google-vertex-ai": ("Google Generate Content",),
    "aws-bedrock": ("Bedrock Converse",),
    "cohere": ("Cohere Chat",),
}
_COMPATIBLE = ("OpenAI Chat Completions",)


class Catalogue:
    """`find` takes a provider's slug or its author's name, and any spelling of a model.

    `traits` says what a writer must know of the model that is sent under this name; of an unknown one its name alone.
    """

    find: Callable[[str, str], ModelCard | None]
    traits: Callable[[str, str], Model]

    def __init__(self, snapshot: Snapshot, facts: Facts) -> None:
        self._snapshot = snapshot
        self._facts = facts
        # Names come from callers: what is remembered of them is bounded.
        self.find = lru_cache(REMEMBERED_NAMES)(self._find)
        self.traits = lru_cache(REMEMBERED_NAMES)(self._traits)
        self._shelf = lru_cache(len(PRICED_AS))(self._fill)

    def wire_name(self, provider: str, model: str) -> str:
        """What to send for `author/model`: the provider's own spelling where `model` only spells the card's name in
        another way, and `model` as it is where that says more (a date) or is unknown."""
        card = self.find(provider, model)
        if card is not None and folded(model) in (folded(card.wire_name), folded(card.name.partition("/")[2])):
            return card.wire_name
        return model

    def cards(self, provider: str | None = None) -> tuple[ModelCard, ...]:
        """Of one provider, or of all."""
        if provider is not None:
            slug = slug_of(provider)
            return self._shelf(slug).cards if slug in PRICED_AS else ()
        return tuple(card for slug in PRICED_AS for card in self._shelf(slug).cards)

    def search(
        self,
        *,
        text: str = "",
        author: str = "",
        task: str = "",
        lifecycles: Iterable[Lifecycle] = ("active",),
    ) -> list[ModelCard]:
        """Cards whose name holds `text`, of that author and task; without regard to case."""
        text, author, task = text.casefold(), author.casefold(), task.casefold()
        kept = frozenset(lifecycles)
        return [
            card
            for card in self.cards()
            if card.listed
            and card.lifecycle in kept
            and text in f"{card.name}\n{card.display_name}".casefold()
            and author in ("", card.author, card.provider)
            and task in ("", card.task.casefold())
        ]

    def _find(self, provider: str, model: str) -> ModelCard | None:
        slug = slug_of(provider)
        name = model.strip().lower()
        if slug not in PRICED_AS or not name or len(name) > NAME_MAX_CHARACTERS:
            return None
        author, slash, rest = name.partition("/")
        names = [name] if not slash or slug_of(author) != slug else [name, rest]
        for given in names:
            card = self._shelf(slug).find(given)
            if card is not None:
                return card
        for maker in _MAKERS.get(slug, ()):
            card = self._shelf(maker).find(names[-1])
            if card is not None:
                return msgspec.structs.replace(card, provider=slug, name=_name(slug, card.wire_name))
        return None

    def _traits(self, provider: str, wire_model: str) -> Model:
        """One price may stand for several models (gpt-5, gpt-5-chat-latest): then the name says more than the card."""
        slug = slug_of(provider)
        card = self.find(slug, wire_model)
        family = self._facts.of(slug, wire_model[:NAME_MAX_CHARACTERS])
        if card is None or family is not UNKNOWN:
            context_tokens = family.context_tokens if card is None else card.context_tokens
            card = msgspec.structs.replace(_card(slug, wire_model, family), context_tokens=context_tokens)
        return card.model(wire_model)

    def _fill(self, slug: str) -> _Shelf:
        ours = self._facts.prices(slug)
        rows: list[tuple[Priced, ModelCard]] = []
        named: set[str] = set()
        for priced in self._snapshot.models(PRICED_AS[slug]):
            wire_name = self._facts.wire_name(slug, priced.id)
            card = _card(slug, wire_name, self._facts.of(slug, wire_name))
            known = msgspec.structs.replace(
                card,
                display_name=priced.name or wire_name,
                task=self._facts.task_of(priced.id),
                context_tokens=priced.context_tokens or card.context_tokens,
                lifecycle="deprecated" if priced.deprecated and card.lifecycle == "active" else card.lifecycle,
                prices=msgspec.structs.replace(priced.prices, ours=ours.get(wire_name, ())),
                released=self._facts.released_on(wire_name),
                listed=card.listed and card.name not in named,
            )
            named.add(card.name)
            rows.append((priced, _with_formats(known)))
        return _Shelf(rows)


class _Shelf:
    """One provider's cards. A spelling that the price list names as a whole goes before its patterns, and they are
    tried in its order."""

    def __init__(self, rows: list[tuple[Priced, ModelCard]]) -> None:
        self.cards = tuple(card for _, card in rows)
        self._by_id: dict[str, ModelCard] = {}
        self._by_fold: dict[str, ModelCard] = {}
        named = [(priced.id, card) for priced, card in rows]
        named += [(card.wire_name, card) for card in self.cards]
        named += [(card.name.partition("/")[2], card) for card in self.cards]
        for name, card in named:
            self._by_id.setdefault(name.lower(), card)
            self._by_fold.setdefault(folded(name), card)
        self._by_alias: dict[str, ModelCard] = {}
        for priced, card in rows:
            for name in priced.whole_names():
                self._by_alias.setdefault(name, card)
        # An unknown name is tried with every pattern there is: callers choose names, so there had better be few.
        self._patterns = [(priced, card) for priced, card in rows if priced.patterns()]

    def find(self, name: str) -> ModelCard | None:
        """`name` in lower case. Its own spelling goes before any rule, and a nearer spelling before a farther."""
        found = self._by_id.get(name) or self._by_fold.get(folded(name))
        if found is not None:
            return found
        for spelling in dict.fromkeys(spellings(name)):
            found = self._by_alias.get(spelling) or self._by_pattern(spelling) or self._by_fold.get(folded(spelling))
            if found is not None:
                return found
        return None

    def _by_pattern(self, name: str) -> ModelCard | None:
        return next((card for priced, card in self._patterns if priced.fits(name)), None)


def price(card: ModelCard, at: datetime, kind: Mapping[str, str] | None = None) -> Price | None:
    """What the provider asks for calls of that moment. `kind` names what else the price hangs on, such as
    `service_tier`. None where it is not known."""
    return card.prices.at(at, kind)


@cache  # 20 ms; it never changes
def load() -> Catalogue:
    """The catalogue that the package brings along."""
    return Catalogue(read_snapshot(), read_facts())


def _name(slug: str, wire_name: str) -> str:
    """Anthropic's versions have dots in catalogue names (data-plane 4.1); the others' names are as they are."""
    return f"{author_of(slug)}/{dotted(wire_name) if slug == 'anthropic' else wire_name.lower()}"


def _card(slug: str, wire_name: str, family: Family) -> ModelCard:
    return ModelCard(
        name=_name(slug, wire_name),
        provider=slug,
        wire_name=wire_name,
        display_name=wire_name,
        context_tokens=family.context_tokens,
        max_output_tokens=family.max_output_tokens,
        input=family.input,
        output=family.output,
        request_formats=family.request_formats,
        thinking=family.thinking,
        always_thinks=family.always_thinks,
        efforts=family.efforts,
        refuses=family.refuses,
        refuses_thinking=family.refuses_thinking,
        forces_tools=family.forces_tools,
        lifecycle=family.lifecycle,
        listed=family.listed,
    )


def _with_formats(card: ModelCard) -> ModelCard:
    if card.request_formats or card.task != "Text Generation":
        return card
    return msgspec.structs.replace(card, request_formats=_FORMATS.get(card.provider, _COMPATIBLE))
