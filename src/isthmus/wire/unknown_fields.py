"""Reads a caller's request strictly first, and loosely where it holds fields that a dialect does not place: those are
then named, so that nothing is dropped in silence. The second reading costs only the requests that need it."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect

from isthmus.errors import InvalidRequest
from isthmus.wire.body import Body
from isthmus.wire.json_text import read_typed

T = TypeVar("T")


class RequestReading(Generic[T]):
    """`strict` refuses unknown nested fields, `loose` (of a subtype) does not; both let unknown top-level ones pass.
    `defaults` are top-level values that ask for nothing, and so are no loss."""

    def __init__(self, strict: type[T], loose: type[T], defaults: dict[str, Any]) -> None:
        self._strict = msgspec.json.Decoder(strict)
        self._loose = msgspec.json.Decoder(loose)
        self._kind = inspect.type_info(strict)
        self._names = frozenset(field.encode_name for field in _struct(self._kind).fields)
        self._defaults = defaults

    def read(self, body: Body) -> tuple[T, list[str]]:
        """The request, and the fields in it that have no place, each once: "tools.input_examples". Raises
        `InvalidRequest`."""
        unknown = [name for name in body.fields if name not in self._names and self._asks(body, name)]
        try:
            return self._strict.decode(body.data), unknown
        except (msgspec.DecodeError, RecursionError):
            request = read_typed(self._loose.decode, body.data)
        nested: dict[str, None] = {}
        try:
            _walk(msgspec.json.decode(body.data), self._kind, "", nested)
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.") from None
        except msgspec.DecodeError as error:  # a number of thousands of digits, which the typed reading passed over
            raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
        return request, unknown + list(nested)

    def _asks(self, body: Body, name: str) -> bool:
        value = body.value(name)
        if value is None or value == {} or value == []:
            return False
        return name not in self._defaults or value != self._defaults[name]


def read_nested(reading: RequestReading[T], data: bytes, at: str) -> tuple[T, list[str]]:
    """One of the things in an array of a request, read as a whole request is; `at` is where it stands: "input.3".
    Raises `InvalidRequest` with that place in `param`; the unknown fields' names begin after it."""
    try:
        return reading.read(Body(data))
    except InvalidRequest as error:
        if error.param is None:
            raise InvalidRequest(f"`{at}`: {error.message}", param=at) from None
        path = f"{at}.{error.param}"
        raise InvalidRequest(error.message.replace(f"`{error.param}`", f"`{path}`", 1), param=path) from None


def _struct(kind: inspect.Type) -> inspect.StructType:
    assert isinstance(kind, inspect.StructType)
    return kind


def _walk(value: Any, kind: inspect.Type, path: str, unknown: dict[str, None]) -> None:
    if isinstance(kind, inspect.UnionType):
        for option in kind.types:
            _walk(value, option, path, unknown)
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        for item in value:
            _walk(item, kind.item_type, path, unknown)
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        known = {field.encode_name: field.type for field in kind.fields}
        for name, inner in value.items():
            if name in known:
                _walk(inner, known[name], f"{path}{name}.", unknown)
            elif kind.forbid_unknown_fields:
                unknown[path + name] = None
