"""What we know of models beyond their prices: `facts.toml`, rules by host and name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec

from isthmus.catalogue.card import Lifecycle
from isthmus.catalogue.names import bare, undated
from isthmus.catalogue.price import Listed, Rate, Span
from isthmus.core.chat.model import Modality, Thinking
from isthmus.core.chat.request import Effort

PATH = Path(__file__).parent / "facts.toml"


class Family(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields as in `ModelCard`; `names` fits the start of a bare name. `listed` False: a rule for
    prices, and no model that this host serves under that name."""

    hosts: frozenset[str] = frozenset()
    names: str = ""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    input: frozenset[Modality] | None = None
    output: frozenset[Modality] | None = None
    request_formats: tuple[str, ...] = ()
    thinking: Thinking | None = None
    always_thinks: bool = False
    efforts: frozenset[Effort] = frozenset()
    refuses: frozenset[str] = frozenset()
    refuses_thinking: frozenset[str] = frozenset()
    forces_tools: bool = True
    lifecycle: Lifecycle = "active"
    listed: bool = True


UNKNOWN = Family()


class TaskRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    names: str
    task: str


class PriceRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """USD per million tokens. `model` is a card's wire name."""

    provider: str
    model: str
    since: date
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None

    def listed(self) -> Listed:
        rates = {
            key: Rate(getattr(self, key))
            for key in ("input", "output", "cache_read", "cache_write", "cache_write_1h")
            if getattr(self, key) is not None
        }
        return Listed(rates=rates, span=Span(since=self.since))


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`wire_names`: by provider and id in the price list. `released` by bare name."""

    family: tuple[Family, ...] = ()
    task: tuple[TaskRule, ...] = ()
    wire_names: dict[str, dict[str, str]] = {}
    released: dict[str, date] = {}
    price: tuple[PriceRow, ...] = ()

    def of(self, provider: str, model: str) -> Family:
        """The first family that fits; `UNKNOWN` where none does."""
        name = bare(model)
        for family in self.family:
            if provider in family.hosts and re.match(f"(?:{family.names})(?=$|[-@])", name):
                return family
        return UNKNOWN

    def task_of(self, model: str) -> str:
        name = bare(model)
        return next((rule.task for rule in self.task if re.search(rule.names, name)), "Text Generation")

    def wire_name(self, provider: str, id: str) -> str:
        named = self.wire_names.get(provider, {}).get(id)
        return named or id.removeprefix("regional.")  # the price list's word for a Bedrock model outside `global.`

    def released_on(self, model: str) -> date | None:
        name = bare(model)
        return self.released.get(name) or self.released.get(undated(name))

    def prices(self, provider: str) -> Mapping[str, tuple[Listed, ...]]:
        """By wire name, the earliest first."""
        rows = sorted((row for row in self.price if row.provider == provider), key=lambda row: row.since)
        found: dict[str, tuple[Listed, ...]] = {}
        for row in rows:
            found[row.model] = (*found.get(row.model, ()), row.listed())
        return found


def read_facts() -> Facts:
    return msgspec.convert(tomllib.loads(PATH.read_text()), Facts)
