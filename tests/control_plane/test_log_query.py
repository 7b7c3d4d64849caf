"""The query of a log list: its filters in three spellings, and the types of their values."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.control_plane.api_request import ApiRequest, BodyLimits
from isthmus.control_plane.instant import read_instant, write_instant
from isthmus.control_plane.logs.filters import FilterText, read_filters
from isthmus.control_plane.logs.query import read_log_query
from isthmus.core.account import Token
from isthmus.storage.protocols import LogFilter, LogQuery
from isthmus.validation.fields import InvalidFields

KEY, OPERATOR, VALUE = "filters.key", "filters.operator", "filters.value"
TOKEN = Token(id="t", account_id="a", name="", digest="", permissions=(), created_at=0.0)


def query(*pairs: tuple[str, str]) -> LogQuery:
    async def receive() -> dict[str, Any]:
        raise AssertionError("a list has no body")

    parameters = {"account_id": "a", "gateway_id": "g"}
    return read_log_query(ApiRequest(parameters, list(pairs), TOKEN, receive, BodyLimits()))


def text(key: str, operator: str, *values: str | None) -> FilterText:
    return FilterText(key=key, operator=operator, values=values)


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        # the Python client: grouped by name
        ([(KEY, "id"), (OPERATOR, "eq"), (VALUE, "a"), (VALUE, "b")], [text("id", "eq", "a", "b")]),
        (
            [(KEY, "id"), (KEY, "model"), (OPERATOR, "eq"), (OPERATOR, "neq"), (VALUE, "a"), (VALUE, "b")],
            [text("id", "eq", "a"), text("model", "neq", "b")],
        ),
        ([(KEY, "model"), (OPERATOR, "eq")], [text("model", "eq", None)]),
        # the TypeScript client: one after another
        (
            [(KEY, "id"), (OPERATOR, "eq"), (VALUE, "a"), (VALUE, ""), (KEY, "model"), (OPERATOR, "lt"), (VALUE, "b")],
            [text("id", "eq", "a", None), text("model", "lt", "b")],
        ),
        # by hand
        (
            [
                (
                    "filters",
                    '[{"key":"duration","operator":"gt","value":[1.5,2]},{"key":"x","operator":"y","value":true}]',
                )
            ],
            [text("duration", "gt", "1.5", "2"), text("x", "y", "true")],
        ),
        ([("filters", '[{"key":"model","operator":"eq","value":[null,"a"]}]')], [text("model", "eq", None, "a")]),
        ([("filters", "[]"), ("filters", "")], []),
        ([("page", "1")], []),
        # two spellings at once
        (
            [("filters", '[{"key":"a","operator":"eq","value":["1"]}]'), (KEY, "b"), (OPERATOR, "eq"), (VALUE, "2")],
            [text("a", "eq", "1"), text("b", "eq", "2")],
        ),
    ],
)
def test_spellings(pairs: list[tuple[str, str]], found: list[FilterText]) -> None:
    assert read_filters(pairs) == found


@pytest.mark.parametrize(
    "pairs",
    [
        # whose are three values among two filters?
        [(KEY, "a"), (KEY, "b"), (OPERATOR, "eq"), (OPERATOR, "eq"), (VALUE, "1"), (VALUE, "2"), (VALUE, "3")],
        [(KEY, "a"), (KEY, "b"), (OPERATOR, "eq"), (VALUE, "1"), (VALUE, "2")],
        [(OPERATOR, "eq"), (KEY, "a"), (VALUE, "1")],
        [(KEY, "a"), (VALUE, "1")],
        [(KEY, "a"), (OPERATOR, "eq"), (OPERATOR, "neq"), (VALUE, "1")],
        [("filters", "{}")],
        [("filters", '[{"key":"a"}]')],
        [("filters", "[" * 5000)],
    ],
)
def test_what_cannot_be_told_apart(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidFields):
        read_filters(pairs)


@pytest.mark.parametrize(
    ("key", "operator", "written", "read"),
    [
        ("success", "eq", "true", True),
        ("cached", "neq", "false", False),
        ("duration", "gt", "12", 12),
        ("cost", "lt", "0.5", 0.5),
        ("model", "contains", "12", "12"),
        ("created_at", "gt", "1970-01-01T00:00:10.5Z", 10.5),
        ("created_at", "lt", "1970-01-01T02:00:00 02:00", 0.0),
        ("metadata.value", "eq", "true", "true"),
        ("prompts.prompt_id", "eq", "p", "p"),
    ],
)
def test_a_value_has_its_keys_type(key: str, operator: Any, written: str, read: object) -> None:
    (found,) = query((KEY, key), (OPERATOR, operator), (VALUE, written)).filters
    assert found == LogFilter(key=key, operator=operator, values=(read,))
    assert type(found.values[0]) is type(read)


def test_moments_contain_nothing() -> None:
    with pytest.raises(InvalidFields):
        query((KEY, "created_at"), (OPERATOR, "contains"), (VALUE, "2026-01-01"))


def test_both_ends_of_a_range_belong_to_it() -> None:
    least, most = query(("min_duration", "5"), ("max_duration", "5")).filters
    assert (least.key, least.operator, most.key, most.operator) == ("duration", "gt", "duration", "lt")
    assert least.values[0] < 5 < most.values[0]  # type: ignore[operator]
    assert most.values[0] - least.values[0] < 1e-9  # type: ignore[operator]


def test_newest_first_unless_asked() -> None:
    assert query().descending is True
    assert query(("direction", "asc")).descending is False
    assert query(("direction", "asc"), ("order_by_direction", "desc")).descending is True


@pytest.mark.parametrize("seconds", [0.0, 1_700_000_000.123, 1_700_000_000.9996])
def test_moments_come_back(seconds: float) -> None:
    assert read_instant(write_instant(seconds)) == round(seconds, 3)


def test_moments_as_clients_write_them() -> None:
    assert write_instant(1_577_470_279.117) == "2019-12-27T18:11:19.117Z"
    assert read_instant("2019-12-27T18:11:19.117000+00:00") == 1_577_470_279.117
    assert read_instant("2019-12-27T18:11:19.117000 00:00") == 1_577_470_279.117
    assert read_instant("2019-12-27") == 1_577_404_800.0
    assert read_instant("2019-12-27 18:11:19") == 1_577_470_279.0
