"""Filters and search (control-plane 7.2, 7.3), against the same rules written in Python."""

import operator
from collections.abc import Callable, Iterator
from itertools import count, zip_longest
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.core.entry import LogEntry
from isthmus.storage.open import Storage
from isthmus.storage.protocols import LogFilter, LogQuery

MakeEntry = Callable[..., LogEntry]

WORDS = st.sampled_from(
    ["", "a", "A", "ab", "B", "100%", "_", "É", "é", "'", '"', "5", "1.5", "true", "null", "-3", "x" * 40]
)
TEXT_FIELDS = {
    "request_content_type": "request_content_type",
    "response_content_type": "response_content_type",
    "request_type": "request_type",
    "provider": "provider",
    "model": "model",
    "model_type": "model_type",
    "event_id": "event_id",
    "user_agent": "user_agent",
}
NUMBER_FIELDS = {
    "created_at": "created_at",
    "tokens_in": "tokens_in",
    "tokens_out": "tokens_out",
    "duration": "duration_ms",
}
BOOLEAN_FIELDS = {
    "success": "success",
    "cached": "cached",
    "authentication": "authentication",
    "wholesale": "wholesale",
}
NOT_RECORDED = ("cost", "feedback", "score", "dlp_action", "prompts.prompt_id", "prompts.version_id")
OPTIONAL = {"request_content_type", "response_content_type", "user_agent", "tokens_in", "tokens_out"}
OPERATORS = st.sampled_from(["eq", "neq", "contains", "lt", "gt"])

SCALARS = st.one_of(WORDS, st.integers(-5, 5), st.booleans(), st.none(), st.sampled_from([1.5, -0.25]))
METADATA = st.one_of(st.none(), st.dictionaries(WORDS, SCALARS, max_size=4))


def field_values(name: str) -> st.SearchStrategy[Any]:
    if name in TEXT_FIELDS.values():
        values: st.SearchStrategy[Any] = WORDS
    elif name in BOOLEAN_FIELDS.values():
        values = st.booleans()
    else:
        values = st.integers(0, 12)
    return st.one_of(st.none(), values) if name in OPTIONAL else values


ROWS = st.fixed_dictionaries(
    {name: field_values(name) for fields in (TEXT_FIELDS, NUMBER_FIELDS, BOOLEAN_FIELDS) for name in fields.values()}
    | {"metadata": METADATA}
)


@st.composite
def filters(draw: st.DrawFn) -> LogFilter:
    kinds = (
        *((key, WORDS) for key in (*TEXT_FIELDS, "dlp_action", "prompts.prompt_id", "prompts.version_id")),
        *((key, st.integers(0, 12)) for key in (*NUMBER_FIELDS, "tokens", "cost", "feedback", "score")),
        *((key, st.booleans()) for key in (*BOOLEAN_FIELDS, "compatibilityMode")),
        ("metadata.key", WORDS),
        ("metadata.value", SCALARS),
    )
    key, values = draw(st.sampled_from(kinds))
    chosen = draw(st.lists(st.one_of(values, values, values, st.none()), max_size=3))
    return LogFilter(key=key, operator=draw(OPERATORS), values=tuple(chosen))


def folded(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def holds(actual: Any, wanted: LogFilter) -> bool:
    match wanted.operator:
        case "eq":
            return actual in wanted.values
        case "neq":
            return actual not in wanted.values
        case "contains" if isinstance(actual, bool):
            return actual in wanted.values
        case "contains":
            texts = [folded(str(value)) for value in wanted.values if value is not None]
            return actual is not None and any(text in folded(str(actual)) for text in texts)
    compare = operator.lt if wanted.operator == "lt" else operator.gt
    return actual is not None and any(compare(actual, value) for value in wanted.values if value is not None)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def number(value: Any) -> float | None:
    try:
        return float(as_text(value))
    except ValueError:
        return None


def value_holds(actual: Any, wanted: LogFilter) -> bool:
    """Metadata is compared as numbers where both sides read as such, and as text otherwise."""
    texts = [as_text(value) for value in wanted.values]
    is_number = isinstance(actual, int | float) and not isinstance(actual, bool)
    same = any(as_text(actual) == text or (is_number and number(text) == actual) for text in texts)
    match wanted.operator:
        case "eq":
            return same
        case "neq":
            return not same
        case "contains":
            return any(folded(text) in folded(as_text(actual)) for text in texts)
    compare = operator.lt if wanted.operator == "lt" else operator.gt
    if isinstance(actual, str):
        return any(compare(actual, text) for text in texts)
    return is_number and any(compare(actual, number(text)) for text in texts if number(text) is not None)


def metadata_holds(metadata: dict[str, Any], wanted: tuple[LogFilter, ...]) -> bool:
    keys = [each for each in wanted if each.key == "metadata.key"]
    values = [each for each in wanted if each.key == "metadata.value"]
    for key, value in zip_longest(keys, values):
        if key and value:
            found = any(holds(name, key) and value_holds(actual, value) for name, actual in metadata.items())
        elif key:
            quantifier = all if key.operator == "neq" else any
            found = quantifier(holds(name, key) for name in metadata)
        else:
            quantifier = all if value.operator == "neq" else any
            found = quantifier(value_holds(actual, value) for actual in metadata.values())
        if not found:
            return False
    return True


def actual_value(row: dict[str, Any], key: str) -> Any:
    if key in NOT_RECORDED:
        return None
    if key == "compatibilityMode":
        return False
    if key == "tokens":
        known = [row[name] for name in ("tokens_in", "tokens_out") if row[name] is not None]
        return sum(known) if known else None
    actual = row[(TEXT_FIELDS | NUMBER_FIELDS | BOOLEAN_FIELDS)[key]]
    return float(actual) if key == "created_at" else actual


def matches(row: dict[str, Any], wanted: tuple[LogFilter, ...], search: str) -> bool:
    metadata = row["metadata"] or {}
    plain = [each for each in wanted if not each.key.startswith("metadata.")]
    found = any(folded(search) in folded(as_text(each)) for pair in metadata.items() for each in pair)
    return (
        all(holds(actual_value(row, each.key), each) for each in plain)
        and metadata_holds(metadata, wanted)
        and (not search or found)
    )


@pytest.fixture
def gateways() -> Iterator[str]:
    return (f"gateway-{number}" for number in count())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=6), wanted=st.lists(filters(), max_size=3).map(tuple), search=WORDS)
async def test_a_list_holds_what_matches(
    storage: Storage,
    entry: MakeEntry,
    gateways: Iterator[str],
    rows: list[dict[str, Any]],
    wanted: tuple[LogFilter, ...],
    search: str,
) -> None:
    gateway = next(gateways)
    expected = set()
    for place, row in enumerate(rows):
        metadata = None if row["metadata"] is None else msgspec.json.encode(row["metadata"]).decode()
        row_id = f"{gateway}/{place}"
        storage.logs.append(entry(**{**row, "id": row_id, "gateway_id": gateway, "metadata": metadata}))
        if matches(row, wanted, search):
            expected.add(row_id)
    query = LogQuery(account_id="account", gateway_id=gateway, filters=wanted, search=search, meta_info=True)
    page = await storage.logs.list(query)
    assert {each.id for each in page.entries} == expected
    assert page.total_count == len(expected)


async def found(storage: Storage, **query: Any) -> list[str]:
    page = await storage.logs.list(LogQuery(account_id="account", gateway_id="gateway", descending=False, **query))
    return [each.id for each in page.entries]


def only(key: str, operator: Any, *values: Any) -> tuple[LogFilter, ...]:
    return (LogFilter(key=key, operator=operator, values=values),)


async def test_a_key_and_a_value_belong_together(storage: Storage, entry: MakeEntry) -> None:
    storage.logs.append(entry(1, metadata='{"plan":"pro","user":"ann"}'))
    storage.logs.append(entry(2, metadata='{"plan":"free","user":"pro"}'))
    storage.logs.append(entry(3, metadata=None))
    plan = only("metadata.key", "eq", "plan")
    assert await found(storage, filters=plan) == ["entry-000001", "entry-000002"]
    assert await found(storage, filters=plan + only("metadata.value", "eq", "pro")) == ["entry-000001"]
    assert await found(storage, filters=plan + only("metadata.value", "neq", "pro")) == ["entry-000002"]
    user = only("metadata.key", "eq", "user") + only("metadata.value", "eq", "pro")
    assert await found(storage, filters=plan + only("metadata.value", "eq", "free") + user) == ["entry-000002"]
    assert await found(storage, filters=only("metadata.key", "neq", "plan")) == ["entry-000003"]


async def test_ids_and_times(storage: Storage, entry: MakeEntry) -> None:
    for place in range(4):
        storage.logs.append(entry(place, created_at=1_700_000_000.25 + place))
    assert await found(storage, filters=only("id", "eq", "entry-000002", "entry-000003")) == [
        "entry-000002",
        "entry-000003",
    ]
    assert await found(storage, filters=only("created_at", "eq", 1_700_000_001.25)) == ["entry-000001"]
    after = only("created_at", "gt", 1_700_000_000.25) + only("created_at", "lt", 1_700_000_003.25)
    assert await found(storage, filters=after) == ["entry-000001", "entry-000002"]


async def test_metadata_that_is_no_json_is_found_by_nothing(storage: Storage, entry: MakeEntry) -> None:
    storage.logs.append(entry(1, metadata="{not json"))
    storage.logs.append(entry(2, metadata='["list"]'))
    assert await found(storage, search="list") == ["entry-000002"]
    assert await found(storage, filters=only("metadata.value", "contains", "json")) == []
    assert await found(storage) == ["entry-000001", "entry-000002"]


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", '"', "?", "%", "_", "\\", ");--", "a" * 100_000, "{text}", "\x01", "☃"], ids=range(11)
)
async def test_text_is_never_read_as_sql(storage: Storage, entry: MakeEntry, text: str) -> None:
    storage.logs.append(entry(1, provider=text, metadata=msgspec.json.encode({"k": text}).decode()))
    storage.logs.append(entry(2, provider="plain", metadata='{"k":"v"}'))
    for operator_name in ("eq", "contains"):
        for key in ("provider", "metadata.value"):
            assert await found(storage, filters=only(key, operator_name, text)) == ["entry-000001"], (
                key,
                operator_name,
            )
    assert await found(storage, search=text) == ["entry-000001"]


async def test_as_many_filters_as_the_api_takes(storage: Storage, entry: MakeEntry) -> None:
    storage.logs.append(entry(1, provider="p7", tokens_in=7, metadata='{"k":"7"}'))
    for key in ("provider", "metadata.key", "metadata.value"):
        for operator_name in ("eq", "neq", "contains", "lt", "gt"):
            await found(storage, filters=only(key, operator_name, *map(str, range(500))))
    ten = [f"p{place}" for place in range(10)]
    assert await found(storage, filters=only("provider", "contains", *ten) * 50) == ["entry-000001"]
    pairs = (only("metadata.key", "eq", *"abck") + only("metadata.value", "eq", *map(str, range(10)))) * 25
    assert await found(storage, filters=pairs, search="7") == ["entry-000001"]


async def test_numbers_of_any_size(storage: Storage, entry: MakeEntry) -> None:
    storage.logs.append(entry(1, tokens_in=7, metadata='{"k":7}'))
    for key in ("tokens_in", "metadata.value"):
        assert await found(storage, filters=only(key, "lt", 10**30)) == ["entry-000001"]
        assert await found(storage, filters=only(key, "gt", -(10**400) if key != "tokens_in" else -(10**30))) == [
            "entry-000001"
        ]
        assert await found(storage, filters=only(key, "eq", 2**63)) == []
