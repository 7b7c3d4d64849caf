"""A card of the catalogue: one model at one provider."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from isthmus.catalogue.price import PriceList
from isthmus.core.chat.model import Modality, Model, Thinking
from isthmus.core.chat.request import Effort

Lifecycle = Literal["active", "deprecated", "retired"]


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is `author/model`, the one that log rows and bills have; `wire_name` the provider's own. What is None or
    empty is not known. `listed` False: a rule for prices, and no model of that name. `task` and `request_formats` have
    the words of data-plane 4.13. The rest is as in `Model`."""

    name: str
    provider: str
    wire_name: str
    display_name: str
    description: str | None = None
    task: str = "Text Generation"
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
    prices: PriceList = PriceList()
    released: date | None = None
    lifecycle: Lifecycle = "active"
    listed: bool = True

    @property
    def author(self) -> str:
        """Of `@cf/author/model` too."""
        first, _, rest = self.name.partition("/")
        return rest.partition("/")[0] if first.startswith("@") else first

    def model(self, wire_name: str) -> Model:
        """Under the name that is really sent: it may say more than the card's, such as a date."""
        return Model(
            name=wire_name,
            max_output_tokens=self.max_output_tokens,
            context_tokens=self.context_tokens,
            input=self.input,
            thinking=self.thinking,
            always_thinks=self.always_thinks,
            efforts=self.efforts,
            refuses=self.refuses,
            refuses_thinking=self.refuses_thinking,
            forces_tools=self.forces_tools,
        )
