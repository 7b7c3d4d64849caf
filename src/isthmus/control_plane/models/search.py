"""`GET /ai/models/search`: the whole catalogue, what runs here first, in the v4 envelope (control-plane 10)."""

from __future__ import annotations

from datetime import UTC, datetime

from isthmus.catalogue.card import Lifecycle, ModelCard
from isthmus.catalogue.catalogue import price
from isthmus.control_plane.api_request import ApiRequest
from isthmus.control_plane.envelope import Answer, success
from isthmus.control_plane.models.reachable import Reachable
from isthmus.control_plane.models.shapes import HOSTED_SOURCE, OTHER_SOURCE, marketplace_model, platform_model
from isthmus.control_plane.paging import DEFAULT_PER_PAGE, MAX_PAGE, Page

PER_PAGE_MAX = 1000
EXPERIMENTAL = ("preview", "beta", "experimental", "-exp")


class ModelCalls:
    def __init__(self, models: Reachable) -> None:
        self._models = models

    async def search(self, request: ApiRequest) -> Answer:
        found = [card for card in self._found(request) if _wanted(card, request)]
        page = _page(request)
        shown = page.cut(found)
        now = datetime.now(UTC)
        shape = marketplace_model if request.asked("format") == "openrouter" else platform_model
        return success([shape(card, price(card, now)) for card in shown], page=page.info(len(shown), len(found)))

    def _found(self, request: ApiRequest) -> list[ModelCard]:
        """Hosted models go through the same questions as the catalogue's."""
        lifecycles: tuple[Lifecycle, ...] = (
            ("active", "deprecated") if _yes(request, "include_deprecated") else ("active",)
        )
        text, author, task = (request.asked(name) or "" for name in ("search", "author", "task"))
        others = self._models.catalogue.search(text=text, author=author, task=task, lifecycles=lifecycles)
        hosted = [
            card
            for card in self._models.hosted()
            if text.casefold() in card.name.casefold()
            and author.casefold() in ("", card.author.casefold())
            and task.casefold() in ("", card.task.casefold())
        ]
        return [*hosted, *others]


def _wanted(card: ModelCard, request: ApiRequest) -> bool:
    source = request.asked("source")
    own = HOSTED_SOURCE if card.name.startswith("@") else OTHER_SOURCE
    if source is not None and source not in (str(own), f"{own}.0"):
        return False
    return not (_yes(request, "hide_experimental") and any(word in card.wire_name.lower() for word in EXPERIMENTAL))


def _yes(request: ApiRequest, name: str) -> bool:
    return (request.asked(name) or "").lower() == "true"


def _page(request: ApiRequest) -> Page:
    """The schema bounds neither number, and 0 must not fail: what cannot be meant counts as not given."""
    number = _number(request.asked("page"), 1, MAX_PAGE)
    return Page(number=number, per_page=_number(request.asked("per_page"), DEFAULT_PER_PAGE, PER_PAGE_MAX))


def _number(text: str | None, default: int, most: int) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) == 0:
        return default
    return min(int(text), most)
