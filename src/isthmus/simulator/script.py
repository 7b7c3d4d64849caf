"""Decides what the model says, in no provider's dialect: `write` turns an `Ask` into a `Draft`. A caller steers it by
its last user message: `echo: …` is answered with exactly that, `call NAME` (`call NAME with {…}`) calls a tool.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from isthmus.simulator import text as texts
from isthmus.simulator.faults import MAX_EVENTS, Fault
from isthmus.simulator.sampling import sample
from isthmus.simulator.seeds import Seed
from isthmus.simulator.text import prose

Ending = Literal["stop", "stop_sequence", "length", "tool_calls", "refusal", "content_filter"]

REFUSAL = "I'm sorry, but I can't help with that."
_ECHO = re.compile(r"\becho: ?(.*)", re.DOTALL)
_SCRIPT = re.compile(r"\bscript: ?(?=\[)")
_CALL = re.compile(r"\bcall ([\w.:/-]+)(?:\s+with\s+(?=\{))?")
_ORDINARY_TOKENS = (12, 40)
_ARGUMENT_CHARACTERS = 5
_DEFAULT_BIG_EVENTS = 8


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """`schema` is None for a tool that takes free text."""

    name: str
    schema: dict[str, Any] | None


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, read out of any dialect. `results` are tool results nothing was said to yet; `choice` is
    `auto`, `none` or `required`, and `forced` the one tool that must be called. `answers` were given since `text`."""

    text: str = ""
    answers: int = 0
    results: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    forced: str | None = None
    parallel: bool = True
    json_schema: dict[str, Any] | None = None
    json_object: bool = False
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    reasoning_tokens: int = 0
    fault: Fault


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one answer is to do; several together are one answer that does them all. A tool that is not offered is not
    called. `given` is what it is called with: a value as JSON, a string as it stands, for tools that take free text."""

    say: str = ""
    call: str | None = None
    given: dict[str, Any] | str | None = msgspec.field(default=None, name="with")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    tool: Tool
    arguments: str
    deltas: tuple[str, ...]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `deltas` joined are `text`; `output_tokens` include `reasoning_tokens`."""

    text: str
    deltas: tuple[str, ...]
    calls: tuple[Call, ...]
    reasoning: str
    reasoning_deltas: tuple[str, ...]
    reasoning_tokens: int
    output_tokens: int
    ending: Ending
    stop_sequence: str | None = None


def heard(turns: Iterable[tuple[str, str]]) -> tuple[str, int]:
    """The user's last words, and how many answers were given since. `turns` are roles and texts, the oldest first;
    turns of the `model` that follow each other are one answer."""
    text, answers, before = "", 0, ""
    for role, said in turns:
        if role == "user" and said:
            text, answers = said, 0
        elif role == "model" and before != "model":
            answers += 1
        before = role
    return text, answers


def write(ask: Ask, seed: Seed, choice: int = 0) -> Draft:
    """The same words for the same question, whatever the dialect, streamed or not."""
    rng = seed.rng("words", ask.text, *ask.results, str(choice))
    room = ask.max_tokens if ask.max_tokens is not None else 2**31
    thought = min(ask.reasoning_tokens, room // 2)
    room -= thought
    reasoning = prose(seed.rng("thought", ask.text, *ask.results), thought)
    reasoning = "".join(texts.pieces(reasoning)[:thought])
    steps = _steps(ask)
    calls = _calls(ask, rng, steps)
    text = _text(ask, rng, bool(calls), steps)
    ending: Ending = "tool_calls" if calls else "stop"
    text, stop_sequence = _stopped(text, ask.stops)
    if stop_sequence is not None:
        calls, ending = (), "stop_sequence"
    if ask.fault.kind in ("refusal", "content_filter"):
        calls, ending, stop_sequence = (), ask.fault.kind, None
        text = REFUSAL if ending == "refusal" else text
    needed = texts.count(text) + sum(texts.count(call.arguments) for call in calls)
    if needed > room:
        text, calls, ending, stop_sequence = "".join(texts.pieces(text)[:room]), (), "length", None
    deltas = _deltas(text, ask.fault)
    spoken = sum(map(texts.count, deltas)) + sum(texts.count(call.arguments) for call in calls)
    return Draft(
        text=text,
        deltas=deltas,
        calls=calls,
        reasoning=reasoning,
        reasoning_deltas=_deltas(reasoning, ask.fault),
        reasoning_tokens=thought,
        output_tokens=thought + spoken,
        ending=ending,
        stop_sequence=stop_sequence,
    )


def _steps(ask: Ask) -> list[Step] | None:
    """What the script says for this answer, empty where it has ended; None where there is none that can be read, as
    where an agent quotes the message in a question of its own."""
    found = _SCRIPT.search(ask.text)
    if found is None:
        return None
    try:
        raw, _ = json.JSONDecoder().raw_decode(ask.text, found.end())
        steps = msgspec.convert(raw, list[Step | list[Step]])
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    here = steps[ask.answers] if ask.answers < len(steps) else []
    return here if isinstance(here, list) else [here]


def _text(ask: Ask, rng: random.Random, calling: bool, steps: list[Step] | None) -> str:
    if steps is not None and (said := "".join(step.say for step in steps)):
        return said
    echo = _ECHO.search(ask.text) if steps is None else None
    if echo and (not (ask.json_schema or ask.json_object) or _is_json(echo[1])):
        return echo[1]
    if calling:
        return ""
    if ask.json_schema is not None:
        return msgspec.json.encode(sample(ask.json_schema, rng)).decode()
    if ask.fault.event_bytes:
        return _sized(rng, ask.fault.event_bytes * (ask.fault.events or _DEFAULT_BIG_EVENTS))
    length = rng.randint(*_ORDINARY_TOKENS) if ask.fault.tokens is None else ask.fault.tokens
    length = max(length, min(ask.fault.events or 0, MAX_EVENTS))
    words = "".join(texts.pieces(prose(rng, length))[:length])
    if ask.json_object:
        return msgspec.json.encode({"answer": words}).decode()
    if ask.results:
        return f"The tool answered: {' / '.join(ask.results)}\n{words}"
    return words


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return False
    return True


def _sized(rng: random.Random, length: int) -> str:
    some = prose(rng, 200) + " "
    return (some * (length // len(some) + 1))[:length]


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    found = [(text.index(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    position, stop = min(found)
    return text[:position], stop


def _deltas(text: str, fault: Fault) -> tuple[str, ...]:
    if not text:
        return ()
    if fault.event_bytes:
        return texts.split_every(text, fault.event_bytes)
    return texts.split_evenly(text, fault.events) if fault.events else tuple(texts.pieces(text))


def _calls(ask: Ask, rng: random.Random, steps: list[Step] | None) -> tuple[Call, ...]:
    if not ask.tools or ask.choice == "none":
        return ()
    known = {tool.name: tool for tool in ask.tools}
    if ask.forced is not None:
        wanted = [(known[ask.forced], _asked_arguments(ask.text, ask.forced))]
    elif steps is not None:
        wanted = [(known[step.call], _given(step)) for step in steps if step.call in known]
    else:
        spoken = [] if ask.results and ask.choice == "auto" else _spoken_calls(ask.text, known)
        wanted = spoken or ([(ask.tools[0], None)] if ask.choice == "required" else [])
    if not ask.parallel:
        wanted = wanted[:1]
    return tuple(_call(tool, arguments, rng, ask.fault) for tool, arguments in wanted)


def _given(step: Step) -> str | None:
    return msgspec.json.encode(step.given).decode() if isinstance(step.given, dict) else step.given


def _spoken_calls(text: str, known: dict[str, Tool]) -> list[tuple[Tool, str | None]]:
    before_echo = _ECHO.split(text, maxsplit=1)[0]
    found: list[tuple[Tool, str | None]] = []
    for match in _CALL.finditer(before_echo):
        name = match[1] if match[1] in known else match[1].rstrip(".,:;")
        if name in known:
            found.append((known[name], _leading_object(before_echo[match.end() :]) if " with" in match[0] else None))
    return found


def _asked_arguments(text: str, name: str) -> str | None:
    return next((arguments for tool, arguments in _spoken_calls(text, {name: Tool(name=name, schema={})})), None)


def _leading_object(text: str) -> str | None:
    """The JSON object that `text` begins with, as written."""
    for end in (place + 1 for place, character in enumerate(text) if character == "}"):
        if _is_json(text[:end]):
            return text[:end]
    return None


def _call(tool: Tool, arguments: str | None, rng: random.Random, fault: Fault) -> Call:
    if arguments is None:
        if tool.schema is None:
            arguments = prose(rng, 6)
        else:
            arguments = msgspec.json.encode(sample(tool.schema, rng)).decode()
    split = texts.split_evenly(arguments, fault.events) if fault.events else ()
    return Call(tool=tool, arguments=arguments, deltas=split or texts.split_every(arguments, _ARGUMENT_CHARACTERS))
