"""What must hold of each cell of a matrix that another process filled in: the tests that JavaScript's SDKs and older
Python ones share. A cell is what that process was told, or `{"error": {kind, status, message, retryAfter}}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from sdk.targets import TARGETS, Target, each_provider, each_target

WORDS = 8
"""Tokens: more than the answer takes that is asked for by `echo:`, so that what is above them was thought."""

Cell = Callable[[str, Target], Any]
Told = Callable[[str], dict[str, Any]]
"""What one script was told, by caller, target and cell."""
each_way = pytest.mark.parametrize("way", ["whole", "stream"])


@dataclass(frozen=True)
class Asked:
    """A caller of the matrix. `stopped`, `called`: the ends of an answer, and of one that calls tools, in its words.
    `error`: the one class that it has for all errors; None where each has its own."""

    name: str
    stopped: str
    called: str
    sees_thoughts: bool
    error: str | None = None


@contextmanager
def side_by_side(run: Told, scripts: Iterable[str]) -> Iterator[Told]:
    """Runs them two at a time, each once; a test waits for its own."""
    with ThreadPoolExecutor(2) as pool:
        running = {script: pool.submit(run, script) for script in scripts}
        yield lambda script: running[script].result()
        pool.shutdown(cancel_futures=True)


class Certified:
    """Wants two fixtures: `asked`, an `Asked`, and `cell`, which gives a cell of it by name and target."""

    @each_way
    @each_target
    def test_chat(self, cell: Cell, asked: Asked, target: Target, way: str) -> None:
        answer = sound(cell(f"chat-{way}", target))
        assert "Paris" in answer["text"] and answer["ending"] == asked.stopped
        assert answer["input"] > 0 and answer["output"] > 0
        assert target.is_local or answer["text"] == "It is Paris."

    @each_way
    @each_target
    def test_a_tool(self, cell: Cell, asked: Asked, target: Target, way: str) -> None:
        answer = sound(cell(f"tool-{way}", target))
        check_called(answer["first"], asked, target)
        after = answer["after"]
        assert after["text"] and not after["calls"]
        assert target.is_local or "18 degrees" in after["text"]

    @each_way
    @each_provider
    def test_two_tools_at_once(self, cell: Cell, target: Target, way: str) -> None:
        answer = sound(cell(f"two-tools-{way}", target))
        calls = [(call["name"], call["arguments"]) for call in answer["first"]["calls"]]
        assert calls == [("get_weather", {"city": "Rome"}), ("get_time", {})]
        assert "warm" in answer["after"]["text"] and "noon" in answer["after"]["text"]

    @each_target
    def test_an_image(self, cell: Cell, target: Target) -> None:
        answer = cell("image", target)
        if target.seeing is None:
            assert answer["error"]["status"] == 400 and "image" in answer["error"]["message"]
        else:
            assert sound(answer)["text"] == "a pixel" and answer["input"] > 80  # the simulator's price of a picture

    @each_way
    @each_target
    def test_a_structured_answer(self, cell: Cell, target: Target, way: str) -> None:
        place = json.loads(sound(cell(f"structured-{way}", target))["text"])
        assert place["continent"] in ("Europe", "Asia") and isinstance(place["island"], bool)

    @each_target
    def test_the_helper_for_structured_answers(self, cell: Cell, target: Target) -> None:
        answer = sound(cell("parse", target))
        assert isinstance(answer["continent"], str) and isinstance(answer["island"], bool)

    @each_way
    @each_provider
    def test_reasoning(self, cell: Cell, asked: Asked, target: Target, way: str) -> None:
        answer = sound(cell(f"reasoning-{way}", target))
        assert answer["text"] == "It is Paris." and answer["output"] > WORDS
        if target.shows_thoughts and asked.sees_thoughts:
            assert answer["thought"] and answer["thought"] not in answer["text"]

    @each_way
    @each_provider
    def test_reasoning_goes_on_after_a_tool(self, cell: Cell, asked: Asked, target: Target, way: str) -> None:
        answer = sound(cell(f"reasoning-goes-on-{way}", target))
        check_called(answer["first"], asked, target)
        assert "18 degrees" in answer["after"]["text"]

    @each_target
    def test_an_unknown_model(self, cell: Cell, asked: Asked, target: Target) -> None:
        kind = {400: "BadRequestError", 404: "NotFoundError"}[target.unknown]
        check_error(cell("unknown", target), asked, target.unknown, kind)

    @each_target
    def test_a_bad_field(self, cell: Cell, asked: Asked, target: Target) -> None:
        answer = cell("bad-field", target)
        check_error(answer, asked, 400, "BadRequestError")
        message = answer["error"]["message"].lower()
        assert "temperature" in message or "stop" in message

    @each_way
    @each_provider
    def test_the_provider_wants_less(self, cell: Cell, asked: Asked, target: Target, way: str) -> None:
        answer = cell(f"throttled-{way}", target)
        check_error(answer, asked, 429, "RateLimitError")
        assert answer["error"]["retryAfter"] == "7"

    @each_target
    def test_a_wrong_token(self, cell: Cell, asked: Asked, target: Target) -> None:
        check_error(cell("wrong-token", target), asked, 401, "AuthenticationError")


def sound(answer: Any) -> Any:
    assert "error" not in answer, answer
    return answer


def check_called(first: dict[str, Any], asked: Asked, target: Target) -> None:
    (call,) = first["calls"]
    assert (call["name"], list(call["arguments"]), first["ending"]) == ("get_weather", ["city"], asked.called)
    assert target.is_local or call["arguments"] == {"city": "Paris"}


def check_error(answer: Any, asked: Asked, status: int, kind: str) -> None:
    assert answer["error"]["status"] == status, answer
    assert answer["error"]["kind"] == (asked.error or kind)


def described() -> list[dict[str, Any]]:
    """The targets, for a process that is not Python's."""
    return [
        {
            "id": target.id,
            "model": target.model,
            "seeing": target.seeing,
            "thinking": target.thinking,
            "local": target.is_local,
        }
        for target in TARGETS
    ]
