"""The calls of an answer as its caller asked for them: tools, custom tools, or the old functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from isthmus.core.chat.event import ToolCallStarted
from isthmus.core.chat.request import Chat, CustomTool
from isthmus.wire.custom_tools import Unwrapping
from isthmus.wire.openai_chat.request import FUNCTIONS

Kind = Literal["function", "custom", "function_call"]


class Calling:
    """One call: `place` counts the calls of its choice."""

    __slots__ = ("_is_bare", "_unwrapping", "choice", "kind", "place")

    def __init__(self, kind: Kind, choice: int, place: int, unwrapping: Unwrapping | None) -> None:
        self.kind = kind
        self.choice = choice
        self.place = place
        self._unwrapping = unwrapping
        self._is_bare = True

    def read(self, arguments: str) -> str:
        """More of the arguments, as the caller is told them."""
        if self._unwrapping is not None:
            return self._unwrapping.feed(arguments)
        if arguments:
            self._is_bare = False
        return arguments

    def close(self) -> str:
        """The rest. Callers parse a function's arguments: none at all must still be JSON."""
        if self._unwrapping is not None:
            return self._unwrapping.close()
        return "{}" if self._is_bare and self.kind != "custom" else ""


class AnsweredCalls:
    """The calls by their index in the events. Who asked for functions is told of one call a choice: there is no place
    for more."""

    __slots__ = ("_by_index", "_custom", "_has_functions")

    def __init__(self, chat: Chat) -> None:
        self._by_index: dict[int, Calling | None] = {}
        self._custom = frozenset(tool.name for tool in chat.tools if isinstance(tool, CustomTool))
        self._has_functions = any(note.field == FUNCTIONS for note in chat.unplaced)

    def start(self, event: ToolCallStarted) -> Calling | None:
        before = sum(1 for _ in self.of_choice(event.choice))
        call: Calling | None
        if self._has_functions:
            call = None if before else Calling("function_call", event.choice, 0, None)
        elif event.custom or event.name in self._custom:
            call = Calling("custom", event.choice, before, None if event.custom else Unwrapping())
        else:
            call = Calling("function", event.choice, before, None)
        self._by_index[event.index] = call
        return call

    def find(self, index: int) -> Calling | None:
        return self._by_index.get(index)

    def of_choice(self, choice: int) -> Iterator[Calling]:
        return (call for call in self._by_index.values() if call is not None and call.choice == choice)

    def reason(self, reason: str) -> str:
        return "function_call" if self._has_functions and reason == "tool_calls" else reason
