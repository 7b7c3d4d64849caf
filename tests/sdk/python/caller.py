"""What the matrix asks of an SDK, and what it is told. Each SDK's own file fills this in with the SDK's own words, as
its users write them; turns are the SDK's values and go back as they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pydantic

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@dataclass(frozen=True)
class Function:
    name: str
    description: str
    parameters: dict[str, Any]


WEATHER = Function(
    "get_weather",
    "The weather of a city",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)
TIME = Function("get_time", "The time of day", {"type": "object", "properties": {}, "additionalProperties": False})


class Place(pydantic.BaseModel):
    """A place"""

    continent: str
    island: bool


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"continent": {"type": "string", "enum": ["Europe", "Asia"]}, "island": {"type": "boolean"}},
    "required": ["continent", "island"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Question:
    """`text` begins a conversation, `image` (base64 of a PNG) stands beside it; `turns` are what there is of one."""

    text: str = ""
    image: str | None = None
    turns: tuple[Any, ...] = ()
    tools: Sequence[Function] = ()
    schema: Mapping[str, Any] | None = None
    thinks: bool = False
    room: int | None = None
    """The most tokens of answer: the local model is asked to be short."""


@dataclass(frozen=True)
class Called:
    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class Told:
    """`turns` are the whole conversation with this answer at its end. `ending` is in the dialect's own word."""

    text: str
    turns: tuple[Any, ...]
    ending: str | None
    input_tokens: int
    output_tokens: int
    calls: tuple[Called, ...] = ()
    thought: str = ""
    thinking_tokens: int | None = None


@dataclass(frozen=True)
class Errors:
    """The classes that users of the SDK catch."""

    unknown: type[Exception]
    bad: type[Exception]
    throttled: type[Exception]
    unauthenticated: type[Exception]


class Caller(Protocol):
    name: str
    errors: Errors
    stopped: str
    called: str
    """The ends of an answer, and of one that calls tools, in the dialect's words."""
    sees_thoughts: bool
    """It asks to be shown what the model thinks."""

    def ask(self, model: str, question: Question) -> Told: ...

    def stream(self, model: str, question: Question) -> Told: ...

    def answered(self, told: Told, outcomes: Sequence[str]) -> tuple[Any, ...]:
        """The conversation with the results of all its calls."""
        ...

    def parse(self, model: str, question: Question) -> Place:
        """With the SDK's own helper for structured answers."""
        ...

    def blunder(self, model: str) -> None:
        """Sends a temperature that is no number."""
        ...

    def dialect_of(self, model: str) -> str:
        """In which the SDK's turns are, for this model."""
        ...

    def with_token(self, token: str) -> Caller: ...

    def retry_after(self, error: Any) -> str | None: ...
