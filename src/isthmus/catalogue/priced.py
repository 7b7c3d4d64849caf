"""The models of genai-prices as `prices.json` holds them, a provider at a time: decoded when first asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from isthmus.catalogue.price import PriceList

PATH = Path(__file__).parent / "prices.json"


class Clause(msgspec.Struct, frozen=True, array_like=True):
    """`text` in lower case but for a regular expression."""

    operator: Literal["starts_with", "ends_with", "contains", "regex", "equals"]
    text: str

    def fits(self, name: str) -> bool:
        match self.operator:
            case "equals":
                return name == self.text
            case "starts_with":
                return name.startswith(self.text)
            case "ends_with":
                return name.endswith(self.text)
            case "contains":
                return self.text in name
            case "regex":
                return re.search(self.text, name) is not None


class Priced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`match`: any of these alternatives, each of them all of its clauses."""

    id: str
    match: tuple[tuple[Clause, ...], ...]
    prices: PriceList
    name: str | None = None
    context_tokens: int | None = None
    deprecated: bool = False

    def whole_names(self) -> list[str]:
        return [clauses[0].text for clauses in self.match if _is_name(clauses)]

    def patterns(self) -> list[tuple[Clause, ...]]:
        return [clauses for clauses in self.match if not _is_name(clauses)]

    def fits(self, name: str) -> bool:
        """`name` in lower case."""
        return any(all(clause.fits(name) for clause in clauses) for clauses in self.match)


def _is_name(clauses: tuple[Clause, ...]) -> bool:
    return len(clauses) == 1 and clauses[0].operator == "equals"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is genai-prices' own. `providers` by its ids: each a list of `Priced`."""

    version: str
    providers: dict[str, msgspec.Raw]

    def models(self, provider: str) -> tuple[Priced, ...]:
        """Empty for a provider that has no prices."""
        raw = self.providers.get(provider)
        return () if raw is None else msgspec.json.decode(raw, type=tuple[Priced, ...])


def read_snapshot() -> Snapshot:
    return msgspec.json.decode(PATH.read_bytes(), type=Snapshot)
