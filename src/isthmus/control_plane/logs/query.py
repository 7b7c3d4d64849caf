"""Reads the query of a log list: its filters in all the spellings that clients send, the deprecated parameters, and the
order (control-plane 7.2, 7.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeVar, get_args

import msgspec

from isthmus.control_plane.api_request import ApiRequest
from isthmus.control_plane.instant import read_instant
from isthmus.control_plane.logs.filters import FilterText, read_filters
from isthmus.control_plane.paging import read_page
from isthmus.storage.protocols import FilterOperator, LogFilter, LogQuery, OrderBy
from isthmus.validation.fields import InvalidFields, one_problem

PER_PAGE_MAX = 50
MAX_FILTERS = 50
MAX_VALUES = 500
"""Of all filters together."""

MAX_DIGITS = 18

Value = str | int | float | bool | None
T = TypeVar("T")

_TEXT_KEYS = (
    "id",
    "request_content_type",
    "response_content_type",
    "request_type",
    "provider",
    "model",
    "model_type",
    "event_id",
    "metadata.key",
    "metadata.value",
    "dlp_action",
    "user_agent",
    "prompts.prompt_id",
    "prompts.version_id",
)
_NUMBER_KEYS = ("cost", "tokens", "tokens_in", "tokens_out", "duration", "feedback")
_BOOLEAN_KEYS = ("success", "cached", "authentication", "wholesale", "compatibilityMode")
_EQUALS = ("success", "cached", "provider", "model", "model_type", "request_content_type", "response_content_type")
"""Deprecated parameters that are a filter `eq` on the key of the same name."""

_BOUNDS = {
    "cost": "cost",
    "duration": "duration",
    "tokens_in": "tokens_in",
    "tokens_out": "tokens_out",
    "total_tokens": "tokens",
}
"""Deprecated `min_` and `max_` parameters, and the key each bounds."""


def read_log_query(request: ApiRequest) -> LogQuery:
    """Raises `InvalidFields` at the first part that cannot be understood."""
    page = read_page(request, PER_PAGE_MAX)
    written = read_filters(request.query)
    if len(written) > MAX_FILTERS or sum(len(each.values) for each in written) > MAX_VALUES:
        raise one_problem(f"At most {MAX_FILTERS} filters with {MAX_VALUES} values together", "query", "filters")
    order_by = request.asked("order_by") or "created_at"
    if order_by not in get_args(OrderBy):
        raise _no_such(order_by, get_args(OrderBy), "order_by")
    return LogQuery(
        account_id=request.account_id,
        gateway_id=request.gateway_id,
        filters=(*map(_filter, written), *_deprecated(request)),
        search=request.asked("search"),
        order_by=msgspec.convert(order_by, OrderBy),
        descending=_descending(request),
        page=page.number,
        per_page=page.per_page,
        meta_info=_typed(request, "meta_info", _boolean) or False,
    )


def _descending(request: ApiRequest) -> bool:
    for name in ("order_by_direction", "direction"):
        direction = request.asked(name)
        if direction is not None:
            if direction not in ("asc", "desc"):
                raise _no_such(direction, ("asc", "desc"), name)
            return direction == "desc"
    return True


def _filter(written: FilterText) -> LogFilter:
    if written.operator not in get_args(FilterOperator):
        raise _no_such(written.operator, get_args(FilterOperator), "filters", "operator")
    read = _reader(written.key)
    if written.key == "created_at" and written.operator == "contains":
        raise one_problem("created_at is compared with eq, neq, lt or gt", "query", "filters", "operator")
    try:
        values = tuple(None if value is None else read(value) for value in written.values)
    except ValueError as error:
        raise one_problem(f"{written.key}: {error}", "query", "filters", "value") from None
    operator = msgspec.convert(written.operator, FilterOperator)
    return LogFilter(key=written.key, operator=operator, values=values)


def _reader(key: str) -> Callable[[str], Value]:
    """A filter's values are compared by the key's own type."""
    if key in _TEXT_KEYS:
        return str
    if key in _NUMBER_KEYS:
        return _number
    if key in _BOOLEAN_KEYS:
        return _boolean
    if key == "created_at":
        return read_instant
    raise _no_such(key, (*_TEXT_KEYS, *_NUMBER_KEYS, *_BOOLEAN_KEYS, "created_at"), "filters", "key")


def _deprecated(request: ApiRequest) -> Iterator[LogFilter]:
    for key in _EQUALS:
        value = _typed(request, key, _reader(key))
        if value is not None:
            yield LogFilter(key=key, operator="eq", values=(value,))
    feedback = _typed(request, "feedback", _number)
    if feedback is not None:
        yield LogFilter(key="feedback", operator="eq", values=(feedback,))
    yield from _between(request, "created_at", ("start_date", "end_date"), read_instant)
    for name, key in _BOUNDS.items():
        yield from _between(request, key, (f"min_{name}", f"max_{name}"), _number)


def _between(
    request: ApiRequest, key: str, names: tuple[str, str], read: Callable[[str], float]
) -> Iterator[LogFilter]:
    """Both ends are included; the operators that there are leave them out, so the bound moves by the least step."""
    least, most = _typed(request, names[0], read), _typed(request, names[1], read)
    if least is not None:
        yield LogFilter(key=key, operator="gt", values=(math.nextafter(least, -math.inf),))
    if most is not None:
        yield LogFilter(key=key, operator="lt", values=(math.nextafter(most, math.inf),))


def _typed(request: ApiRequest, name: str, read: Callable[[str], T]) -> T | None:
    text = request.asked(name)
    try:
        return None if text is None else read(text)
    except ValueError as error:
        raise one_problem(str(error), "query", name) from None


def _number(text: str) -> float:
    """Whole where it is written so: `contains` compares digits."""
    value = int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else float(text)
    if not math.isfinite(value):
        raise ValueError(f"Expected number, received {text}")
    return value


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"Expected boolean, received '{text}'")
    return text == "true"


def _no_such(given: str, known: tuple[str, ...], *path: str) -> InvalidFields:
    expected = " | ".join(f"'{each}'" for each in known)
    return one_problem(f"Invalid enum value. Expected {expected}, received '{given}'", "query", *path)
