"""The three spellings of one list of filters in a query string (control-plane 7.3), brought to one form: text, whose
meaning is for the reader of the query.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.validation.fields import InvalidFields, one_problem

KEY, OPERATOR, VALUE = "filters.key", "filters.operator", "filters.value"


class FilterText(msgspec.Struct, frozen=True, kw_only=True):
    """As written. A value None stands for null."""

    key: str
    operator: str
    values: tuple[str | None, ...]


class _Written(msgspec.Struct, frozen=True):
    """A filter in the hand-written spelling."""

    key: str
    operator: str
    value: list[str | int | float | bool | None] | str | int | float | bool | None


def read_filters(query: Sequence[tuple[str, str]]) -> list[FilterText]:
    found = [each for name, text in query if name == "filters" and text for each in _from_json(text)]
    dotted = [(name, text) for name, text in query if name in (KEY, OPERATOR, VALUE)]
    if not dotted:
        return found
    if dotted[0][0] != KEY:
        raise _malformed("a filter begins with its filters.key, then come filters.operator and filters.value")
    count = sum(1 for name, _ in dotted if name == KEY)
    grouped = count > 1 and all(name == KEY for name, _ in dotted[:count])
    return found + (_from_groups(dotted) if grouped else _from_runs(dotted))


def _from_json(text: str) -> list[FilterText]:
    try:
        written = msgspec.json.decode(text, type=list[_Written])
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(f"not an array of {{key, operator, value}} as JSON text: {error}") from None
    return [
        FilterText(
            key=each.key,
            operator=each.operator,
            values=tuple(map(_text, each.value if isinstance(each.value, list) else [each.value])),
        )
        for each in written
    ]


def _from_runs(dotted: list[tuple[str, str]]) -> list[FilterText]:
    """The TypeScript SDK's: each `filters.key` starts a filter. One filter of the Python SDK's looks the same."""
    runs: list[list[tuple[str, str]]] = []
    for name, text in dotted:
        if name == KEY:
            runs.append([])
        runs[-1].append((name, text))
    return [_from_run(run) for run in runs]


def _from_run(run: list[tuple[str, str]]) -> FilterText:
    operators = [text for name, text in run if name == OPERATOR]
    if len(operators) != 1:
        raise _malformed(f"the filter on '{run[0][1]}' needs one filters.operator")
    # none at all: the Python SDK drops a null
    values = [text or None for name, text in run if name == VALUE] or [None]
    return FilterText(key=run[0][1], operator=operators[0], values=tuple(values))


def _from_groups(dotted: list[tuple[str, str]]) -> list[FilterText]:
    """The Python SDK's: all keys, then all operators, then all values, with nothing that tells whose a value is."""
    keys, operators, values = ([text for name, text in dotted if name == wanted] for wanted in (KEY, OPERATOR, VALUE))
    if not len(keys) == len(operators) == len(values):
        raise _malformed(
            f"{len(keys)} keys, {len(operators)} operators and {len(values)} values cannot be told apart; "
            'write filters=[{"key": …, "operator": …, "value": […]}] as JSON text'
        )
    return [
        FilterText(key=key, operator=operator, values=(value or None,))
        for key, operator, value in zip(keys, operators, values, strict=True)
    ]


def _text(value: str | int | float | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str) else repr(value)


def _malformed(reason: str) -> InvalidFields:
    return one_problem(reason, "query", "filters")
