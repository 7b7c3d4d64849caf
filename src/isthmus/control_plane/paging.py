"""Pages of a list: which one is asked for, and a page cut out of a list that is at hand (control-plane 1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from isthmus.control_plane.api_request import ApiRequest
from isthmus.control_plane.envelope import PageInfo
from isthmus.validation.fields import MAX_INTEGER, InvalidFields, Problem

DEFAULT_PER_PAGE = 20
MAX_PAGE = MAX_INTEGER // 1000
"""Keeps page times per_page within what a store can count."""

T = TypeVar("T")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """`number` counts from 1."""

    number: int
    per_page: int

    def cut(self, items: Sequence[T]) -> Sequence[T]:
        """Past the end: nothing. SDK iterators stop at an empty page and at nothing else."""
        start = (self.number - 1) * self.per_page
        return items[start : start + self.per_page]

    def info(self, count: int, total_count: int) -> PageInfo:
        return PageInfo(count=count, page=self.number, per_page=self.per_page, total_count=total_count)


def read_page(request: ApiRequest, per_page_max: int) -> Page:
    found: list[Problem] = []
    number = _whole_number(request.asked("page"), "page", 1, MAX_PAGE, found)
    per_page = _whole_number(request.asked("per_page"), "per_page", DEFAULT_PER_PAGE, per_page_max, found)
    if found:
        raise InvalidFields(found)
    return Page(number=number, per_page=per_page)


def _whole_number(text: str | None, name: str, default: int, most: int, found: list[Problem]) -> int:
    if text is None:
        return default
    path = ("query", name)
    if not text.removeprefix("-").isdecimal() or len(text) > 20:
        found.append(Problem(path=path, message="Expected number, received nan"))
    elif int(text) < 1:
        found.append(Problem(path=path, message="Number must be greater than or equal to 1"))
    elif int(text) > most:
        found.append(Problem(path=path, message=f"Number must be less than or equal to {most}"))
    else:
        return int(text)
    return default
