"""Checks decoded JSON or TOML against a msgspec type and tells every problem with its place, in the API's words
(control-plane 1.4). msgspec itself stops at the first one; a caller mends all of them at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from isthmus.errors import InvalidRequest

MAX_INTEGER = 2**53 - 1
"""What every JSON reader keeps exactly."""

_JSON_NAMES = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string"}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`path` leads to the place, e.g. `("body", "cache_ttl")`."""

    path: tuple[str, ...]
    message: str


class InvalidFields(InvalidRequest):
    """What was sent does not fit: every problem at once."""

    code = 7001

    def __init__(self, problems: list[Problem], *, status: int | None = None, code: int | None = None) -> None:
        message = "; ".join(f"{'.'.join(problem.path)}: {problem.message}" for problem in problems)
        super().__init__(message, status=status, code=code)
        self.problems = problems


def one_problem(message: str, *path: str) -> InvalidFields:
    return InvalidFields([Problem(path=path, message=message)])


def type_of(wanted: Any) -> inspect.Type:
    """The description that `problems` walks."""
    return inspect.type_info(wanted)


def problems(value: object, wanted: inspect.Type, path: tuple[str, ...]) -> Iterator[Problem]:
    """All that keeps `value` from being of the wanted type."""
    match wanted:
        case inspect.UnionType(types=types):
            yield from _of_union(value, types, path)
        case inspect.StructType():
            yield from _of_struct(value, wanted, path)
        case inspect.DictType():
            yield from _of_map(value, wanted, path)
        case inspect.VarTupleType() | inspect.ListType():
            yield from _of_list(value, wanted, path)
        case _:
            message = _of_leaf(value, wanted)
            if message is not None:
                yield Problem(path=path, message=message)


def missing(wanted: inspect.Type) -> str:
    """The public service tells a missing number in this odd way; clients have seen it."""
    types = wanted.types if isinstance(wanted, inspect.UnionType) else (wanted,)
    is_number = any(isinstance(each, inspect.IntType) for each in types)
    return "Expected number, received nan" if is_number else "Required"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What is wrong with a key, and what may have been meant."""
    near = difflib.get_close_matches(key, known, n=1)
    mend = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(known))}"
    return f"Unrecognized key '{key}'; {mend}"


def _of_union(value: object, types: tuple[inspect.Type, ...], path: tuple[str, ...]) -> Iterator[Problem]:
    """Ours are all of one type and perhaps null."""
    nullable = any(isinstance(each, inspect.NoneType) for each in types)
    if value is None and nullable:
        return
    for each in types:
        if not isinstance(each, inspect.NoneType):
            yield from problems(value, each, path)


def _of_struct(value: object, wanted: inspect.StructType, path: tuple[str, ...]) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(path=path, message=_unexpected("object", value))
        return
    for field in wanted.fields:
        place = (*path, field.encode_name)
        if field.encode_name in value:
            yield from problems(value[field.encode_name], field.type, place)
        elif field.required:
            yield Problem(path=place, message=missing(field.type))
    if wanted.forbid_unknown_fields:
        known = {field.encode_name for field in wanted.fields}
        for key in value:
            if key not in known:
                yield Problem(path=(*path, str(key)), message=unknown_key(str(key), known))


def _of_map(value: object, wanted: inspect.DictType, path: tuple[str, ...]) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(path=path, message=_unexpected("object", value))
        return
    for key, item in value.items():
        message = _of_leaf(key, wanted.key_type)
        if message is not None:
            yield Problem(path=(*path, str(key)), message=message)
        yield from problems(item, wanted.value_type, (*path, str(key)))


def _of_list(
    value: object, wanted: inspect.VarTupleType | inspect.ListType, path: tuple[str, ...]
) -> Iterator[Problem]:
    if not isinstance(value, list | tuple):
        yield Problem(path=path, message=_unexpected("array", value))
        return
    if wanted.max_length is not None and len(value) > wanted.max_length:
        yield Problem(path=path, message=f"Array must contain at most {wanted.max_length} element(s)")
        return
    for number, item in enumerate(value):
        yield from problems(item, wanted.item_type, (*path, str(number)))


def _of_leaf(value: object, wanted: inspect.Type) -> str | None:
    match wanted:
        case inspect.BoolType():
            return None if isinstance(value, bool) else _unexpected("boolean", value)
        case inspect.IntType() | inspect.FloatType():
            return _of_number(value, wanted)
        case inspect.StrType():
            return _of_text(value, wanted)
        case inspect.LiteralType(values=values):
            if value in values:
                return None
            expected = " | ".join(f"'{each}'" for each in values)
            given = f"'{value}'" if isinstance(value, str) else _json_name(value)
            return f"Invalid enum value. Expected {expected}, received {given}"
        case _:
            raise TypeError(f"no check is written for {wanted}")


def _of_number(value: object, wanted: inspect.IntType | inspect.FloatType) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _unexpected("number", value)
    if isinstance(wanted, inspect.IntType) and not isinstance(value, int):
        return "Expected integer, received float"
    if wanted.ge is not None and value < wanted.ge:
        return f"Number must be greater than or equal to {wanted.ge:g}"
    if wanted.gt is not None and value <= wanted.gt:
        return f"Number must be greater than {wanted.gt:g}"
    most = MAX_INTEGER if wanted.le is None else wanted.le
    return None if value <= most else f"Number must be less than or equal to {most}"


def _of_text(value: object, wanted: inspect.StrType) -> str | None:
    if not isinstance(value, str):
        return _unexpected("string", value)
    if wanted.min_length is not None and len(value) < wanted.min_length:
        return f"String must contain at least {wanted.min_length} character(s)"
    if wanted.max_length is not None and len(value) > wanted.max_length:
        return f"String must contain at most {wanted.max_length} character(s)"
    # fullmatch: `$` alone would let a last line feed pass
    if wanted.pattern is not None and re.fullmatch(wanted.pattern, value) is None:
        return f"Invalid: must match {wanted.pattern}"
    return None


def _unexpected(expected: str, value: object) -> str:
    return f"Expected {expected}, received {_json_name(value)}"


def _json_name(value: object) -> str:
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list | tuple) else _JSON_NAMES.get(type(value), "date")
