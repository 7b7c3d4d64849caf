"""What an account can really call: the catalogue's models at the providers that are reachable here, and our own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from isthmus.catalogue.card import ModelCard
from isthmus.catalogue.catalogue import Catalogue
from isthmus.catalogue.names import slug_of
from isthmus.core.account import Token

# What the gateway's addresses serve; the catalogue knows more.
SERVED_TASKS = frozenset({"Text Generation"})
EMBEDDINGS = "Text Embeddings"
"""Served where the provider gives them in a form that is known here."""
# There a name is a deployment, and the operator's own: the catalogue cannot tell which there are.
DEPLOYED = frozenset({"azure-openai", "databricks"})


class Installation(Protocol):
    """What is configured and running here. Asked on every call: it may change."""

    def reachable(self) -> Collection[str]:
        """Slugs of the providers that can be called: those with a credential, and those that need none."""
        ...

    def embedding(self) -> Collection[str]:
        """Of those the ones that give embeddings."""
        ...

    def hosted(self) -> Iterable[ModelCard]:
        """The platform's own models (`@cf/…`), served here or declared."""
        ...


def hosted_card(name: str, context_tokens: int | None, *, embeds: bool = False) -> ModelCard:
    """`name` as in `@cf/author/model`."""
    return ModelCard(
        name=name,
        provider="workers-ai",
        wire_name=name,
        display_name=name.rpartition("/")[2],
        context_tokens=context_tokens,
        task=EMBEDDINGS if embeds else "Text Generation",
        request_formats=("OpenAI Embeddings",) if embeds else ("OpenAI Chat Completions",),
    )


class Reachable:
    def __init__(self, catalogue: Catalogue, installation: Installation) -> None:
        self.catalogue = catalogue
        self._installation = installation

    def hosted(self) -> list[ModelCard]:
        return sorted(self._installation.hosted(), key=lambda card: card.name)

    def cards(self, token: Token) -> list[ModelCard]:
        """Hosted ones first, then the newest first."""
        embedding = self._installation.embedding()
        found = [
            card
            for slug in self._installation.reachable()
            if slug not in DEPLOYED
            for card in self.catalogue.cards(slug)
            if card.listed and card.lifecycle != "retired"
            if card.task in SERVED_TASKS or (card.task == EMBEDDINGS and slug in embedding)
        ]
        found.sort(key=lambda card: (-card.released.toordinal() if card.released else 0, card.name))
        return [card for card in (*self.hosted(), *found) if _allowed(token, card)]

    def find(self, name: str, token: Token) -> ModelCard | None:
        """By any spelling. None where there is no such model, or none that this token can call."""
        if name.startswith("@"):
            card = next((card for card in self.hosted() if card.name.lower() == name.lower()), None)
        else:
            author, _, model = name.partition("/")
            slug = slug_of(author)
            card = self.catalogue.find(slug, model) if slug in self._installation.reachable() else None
        return card if card is not None and _allowed(token, card) else None


def _allowed(token: Token, card: ModelCard) -> bool:
    return token.may_call(card.name, f"{card.provider}/{card.wire_name}", f"{card.author}/{card.wire_name}")
