"""A `LogQuery` to SQL (control-plane 7.2, 7.3). Everything that a caller wrote becomes a parameter; SQL text comes from
the tables below and from nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

import msgspec

from isthmus.storage.protocols import LogFilter, LogPage, LogQuery
from isthmus.storage.sql import log_rows
from isthmus.storage.sql.database import Row, Transaction, Value
from isthmus.storage.sql.dialect import SqlDialect, folded, marks

Kind = Literal["text", "number", "boolean"]
OFFSET_MAX = 2**62

_NO_NUMBER = "CAST(NULL AS DOUBLE PRECISION)"
_NO_TEXT = "CAST(NULL AS TEXT)"
_TOTAL = (
    '(CASE WHEN "tokens_in" IS NULL AND "tokens_out" IS NULL THEN NULL'
    ' ELSE coalesce("tokens_in", 0) + coalesce("tokens_out", 0) END)'
)

# The API's keys. What the gateway does not record yet is null, so that it is found by `eq null` alone.
_KEYS: dict[str, tuple[str, Kind]] = {
    "id": ('"id"', "text"),
    "created_at": ('"created_at"', "number"),
    "request_content_type": ('"request_content_type"', "text"),
    "response_content_type": ('"response_content_type"', "text"),
    "request_type": ('"request_type"', "text"),
    "success": ('"success"', "boolean"),
    "cached": ('"cached"', "boolean"),
    "provider": ('"provider"', "text"),
    "model": ('"model"', "text"),
    "model_type": ('"model_type"', "text"),
    "cost": (_NO_NUMBER, "number"),
    "tokens": (_TOTAL, "number"),
    "tokens_in": ('"tokens_in"', "number"),
    "tokens_out": ('"tokens_out"', "number"),
    "duration": ('"duration_ms"', "number"),
    "feedback": (_NO_NUMBER, "number"),
    "score": (_NO_NUMBER, "number"),
    "event_id": ('"event_id"', "text"),
    "authentication": ('"authentication"', "boolean"),
    "wholesale": ('"wholesale"', "boolean"),
    "compatibilityMode": ("FALSE", "boolean"),
    "dlp_action": (_NO_TEXT, "text"),
    "user_agent": ('"user_agent"', "text"),
    "prompts.prompt_id": (_NO_TEXT, "text"),
    "prompts.version_id": (_NO_TEXT, "text"),
}
_METADATA_KEY, _METADATA_VALUE = "metadata.key", "metadata.value"
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")

_ORDER = {name: f'"{name}"' for name in ("created_at", "provider", "model", "model_type", "success", "cached")}
_EXTREMES = {
    "cost": _NO_NUMBER,
    "duration": '"duration_ms"',
    "tokens_in": '"tokens_in"',
    "tokens_out": '"tokens_out"',
    "total_tokens": _TOTAL,
}
_EXTREME_NAMES = tuple(f"{end}_{name}" for name in _EXTREMES for end in ("min", "max"))
_EXTREME_COLUMNS = ", ".join(f"{end}({column})" for column in _EXTREMES.values() for end in ("min", "max"))


class Condition(NamedTuple):
    """SQL that is true or false (never null), and what its marks stand for."""

    sql: str
    parameters: tuple[Value, ...] = ()


def page(query: LogQuery, dialect: SqlDialect, transaction: Transaction) -> LogPage:
    where = condition(query, dialect)
    total, *extremes = transaction.fetch(
        f"SELECT count(*){', ' + _EXTREME_COLUMNS if query.meta_info else ''} FROM logs WHERE {where.sql}",
        where.parameters,
    )[0]
    direction = "DESC" if query.descending else "ASC"
    offset = min((query.page - 1) * query.per_page, OFFSET_MAX)
    rows: list[Row] = transaction.fetch(
        f"SELECT {log_rows.SELECTED} FROM logs WHERE {where.sql}"
        f' ORDER BY {_ORDER[query.order_by]} {direction}, "sequence" {direction} LIMIT ? OFFSET ?',
        (*where.parameters, query.per_page, offset),
    )
    return LogPage(
        entries=[log_rows.entry(row) for row in rows],
        total_count=total,
        extremes={name: value or 0.0 for name, value in zip(_EXTREME_NAMES, extremes, strict=False)},
    )


def condition(query: LogQuery, dialect: SqlDialect) -> Condition:
    conditions = [Condition('("account_id" = ? AND "gateway_id" = ?)', (query.account_id, query.gateway_id))]
    keys = [each for each in query.filters if each.key == _METADATA_KEY]
    values = [each for each in query.filters if each.key == _METADATA_VALUE]
    for each in query.filters:
        if each.key not in (_METADATA_KEY, _METADATA_VALUE):
            column, kind = _KEYS[each.key]
            conditions.append(_compare(column, kind, each, dialect))
    conditions += [_metadata(key, value, dialect) for key, value in zip_longest(keys, values)]
    if query.search:
        found = _any([_contains(column, query.search, dialect) for column in ("entry.key", "entry.text")])
        conditions.append(_exists(found, dialect))
    return _all(conditions)


def _compare(column: str, kind: Kind, wanted: LogFilter, dialect: SqlDialect) -> Condition:
    """`neq` with several values: none of them. A null is neither less nor greater, and contains nothing."""
    values = [_fitting(value) for value in wanted.values if value is not None]
    match wanted.operator:
        case "contains" if kind != "boolean":
            text = column if kind == "text" else f"CAST({column} AS TEXT)"
            return _any([_contains(text, _text(value), dialect) for value in values])
        case "lt" | "gt":
            return _any(_beyond(column, wanted.operator, values))
    found = _among(column, values)
    if None in wanted.values:
        found.append(Condition(f"({column} IS NULL)"))
    return _not(_any(found)) if wanted.operator == "neq" else _any(found)


def _metadata(key: LogFilter | None, value: LogFilter | None, dialect: SqlDialect) -> Condition:
    """The first filter on a key goes with the first on a value, and so on: one entry must satisfy both. By itself,
    `neq` means that no entry is so."""
    if key is not None and value is not None:
        return _exists(_all([_entry_key(key, dialect), _entry_value(value, dialect)]), dialect)
    alone = key or value
    assert alone is not None
    holds = _entry_key if key else _entry_value
    if alone.operator == "neq":
        return _not(_exists(holds(msgspec.structs.replace(alone, operator="eq"), dialect), dialect))
    return _exists(holds(alone, dialect), dialect)


def _entry_key(wanted: LogFilter, dialect: SqlDialect) -> Condition:
    return _compare("entry.key", "text", wanted, dialect)


def _entry_value(wanted: LogFilter, dialect: SqlDialect) -> Condition:
    """Metadata values have the type that the caller gave them, and a filter's value mostly comes as text: what reads
    as a number is compared with numbers as one, and with text as text."""
    texts = [_text(value) for value in wanted.values]
    numbers = [float(text) for text in texts if _NUMBER.fullmatch(text)]
    match wanted.operator:
        case "contains":
            return _any([_contains("entry.text", text, dialect) for text in texts])
        case "lt" | "gt":
            strings = _beyond("entry.string", wanted.operator, texts)
            return _any([*strings, *_beyond("entry.number", wanted.operator, numbers)])
    found = _any([*_among("entry.text", texts), *_among("entry.number", numbers)])
    return _not(found) if wanted.operator == "neq" else found


def _among(column: str, values: Sequence[Value]) -> list[Condition]:
    return [_known(column, f"{column} IN ({marks(len(values))})", *values)] if values else []


def _beyond(column: str, operator: Literal["lt", "gt"], values: Sequence[Any]) -> list[Condition]:
    """Any of the values: the greatest or the least of them decides."""
    if not values:
        return []
    if operator == "lt":
        return [_known(column, f"{column} < ?", max(values))]
    return [_known(column, f"{column} > ?", min(values))]


def _exists(condition: Condition, dialect: SqlDialect) -> Condition:
    return Condition(f"EXISTS (SELECT 1 FROM {dialect.metadata_entries} WHERE {condition.sql})", condition.parameters)


def _contains(column: str, text: str, dialect: SqlDialect) -> Condition:
    return _known(column, dialect.contains.format(text=column), folded(text))


def _known(column: str, sql: str, *parameters: Value) -> Condition:
    return Condition(f"({column} IS NOT NULL AND {sql})", parameters)


def _not(condition: Condition) -> Condition:
    return Condition(f"(NOT {condition.sql})", condition.parameters)


def _any(conditions: Sequence[Condition]) -> Condition:
    return _joined(" OR ", conditions) if conditions else Condition("(1 = 0)")


def _all(conditions: Sequence[Condition]) -> Condition:
    return _joined(" AND ", conditions)


def _joined(word: str, conditions: Sequence[Condition]) -> Condition:
    """As a balanced tree: SQLite takes 1,000 levels of a condition, and a chain is one level a link."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    left, right = _joined(word, conditions[:half]), _joined(word, conditions[half:])
    return Condition(f"({left.sql}{word}{right.sql})", left.parameters + right.parameters)


def _fitting(value: str | int | float | bool) -> Value:
    """A database's integers have 64 bits."""
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _text(value: Value) -> str:
    """As it stands in JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
