"""Each SDK at each kind of target: chat, stream, tools, images, structured answers, reasoning, errors. What a target
cannot do it refuses in the class of error that the SDK's users catch.
"""

from __future__ import annotations

import jsonschema
import pytest

from sdk.python.caller import PIXEL, SCHEMA, TIME, WEATHER, Caller, Place, Question, Told
from sdk.targets import HERE, PROVIDED, Target, each_provider, each_target, each_way

CAPITAL = "What is the capital of France? Answer in one sentence. echo: It is Paris."
ASKED = 'What is the weather in Paris? call get_weather with {"city":"Paris"}'
TWO = 'call get_weather with {"city":"Rome"} and call get_time'
ROOM, BRIEF = 40, 20
"""Tokens, of the local model's answers: enough for one call, for one sentence."""
WORDS = 8
"""Tokens: more than the answer takes that is asked for by `echo:`, so that what is above them was thought."""


def hear(caller: Caller, model: str, question: Question, stream: bool) -> Told:
    told = caller.stream(model, question) if stream else caller.ask(model, question)
    assert told.input_tokens > 0 and told.output_tokens > 0
    return told


def room(target: Target, tokens: int = ROOM) -> int | None:
    return tokens if target.is_local else None


@each_way
@each_target
def test_chat(caller: Caller, target: Target, stream: bool) -> None:
    told = hear(caller, target.model, Question(text=CAPITAL, room=room(target)), stream)
    assert "Paris" in told.text and told.ending == caller.stopped and not told.calls
    if not target.is_local:
        assert told.text == "It is Paris."


@each_target
def test_a_conversation(caller: Caller, target: Target) -> None:
    """What it said goes back to it as the SDK gave it."""
    first = hear(caller, target.model, Question(text=CAPITAL, room=room(target)), False)
    second = Question(text="And of Italy? echo: It is Rome.", turns=first.turns, room=room(target, BRIEF))
    told = hear(caller, target.model, second, False)
    assert told.input_tokens > first.input_tokens
    assert told.text and (target.is_local or told.text == "It is Rome.")


@each_way
@each_target
def test_a_tool(caller: Caller, target: Target, stream: bool) -> None:
    first = hear(caller, target.model, Question(text=ASKED, tools=[WEATHER], room=room(target)), stream)
    (call,) = first.calls
    assert (call.name, list(call.arguments), first.ending) == ("get_weather", ["city"], caller.called)
    turns = caller.answered(first, ["18 degrees"])
    after = hear(caller, target.model, Question(turns=turns, tools=[WEATHER], room=room(target, BRIEF)), stream)
    assert after.text and not after.calls
    if not target.is_local:
        assert call.arguments == {"city": "Paris"} and "18 degrees" in after.text


@each_way
@each_provider
def test_two_tools_at_once(caller: Caller, target: Target, stream: bool) -> None:
    """The local model makes one call at a time."""
    first = hear(caller, target.model, Question(text=TWO, tools=[WEATHER, TIME]), stream)
    assert [(call.name, call.arguments) for call in first.calls] == [
        ("get_weather", {"city": "Rome"}),
        ("get_time", {}),
    ]
    turns = caller.answered(first, ["warm", "noon"])
    after = hear(caller, target.model, Question(turns=turns, tools=[WEATHER, TIME]), stream)
    assert "warm" in after.text and "noon" in after.text and after.text.index("warm") < after.text.index("noon")


@each_target
def test_an_image(caller: Caller, target: Target) -> None:
    question = Question(text="echo: a pixel", image=PIXEL, room=room(target))
    if target.seeing is None:
        with pytest.raises(caller.errors.bad, match="image"):
            caller.ask(target.model, question)
        return
    told = hear(caller, target.seeing, question, False)
    assert told.text == "a pixel" and told.input_tokens > 80  # the simulator's price of a picture


@each_way
@each_target
def test_a_structured_answer(caller: Caller, target: Target, stream: bool) -> None:
    question = Question(text="Where is France? Answer in JSON.", schema=SCHEMA, room=room(target))
    told = hear(caller, target.model, question, stream)
    jsonschema.validate(Place.model_validate_json(told.text).model_dump(), SCHEMA)


@each_target
def test_the_helper_for_structured_answers(caller: Caller, target: Target) -> None:
    if target.is_local:
        wanted = Question(text="Where is France? Answer in JSON.", room=64, schema=None)
    else:
        wanted = Question(text='Where is France? echo: {"continent":"Europe","island":false}')
    if caller.name == "cloudflare":
        wanted = Question(text=wanted.text, room=wanted.room, schema=SCHEMA)
    place = caller.parse(target.model, wanted)
    assert target.is_local or place == Place(continent="Europe", island=False)


@each_way
@each_provider
def test_reasoning(caller: Caller, target: Target, stream: bool) -> None:
    assert target.thinking is not None
    told = hear(caller, target.thinking, Question(text=CAPITAL, thinks=True), stream)
    assert told.text == "It is Paris." and told.ending == caller.stopped
    assert told.output_tokens > WORDS
    if target.shows_thoughts and caller.sees_thoughts:
        assert told.thought and told.thought not in told.text


def test_reasoning_here(caller: Caller) -> None:
    """The local model does not reason: the wish is no error."""
    told = hear(caller, HERE.model, Question(text=CAPITAL, thinks=True, room=ROOM), False)
    assert told.text and not told.thought


@each_way
@each_provider
def test_reasoning_goes_on_after_a_tool(caller: Caller, target: Target, stream: bool) -> None:
    """The provider gets its own thoughts back, signed as it signed them: else it would refuse."""
    assert target.thinking is not None
    first = hear(caller, target.thinking, Question(text=ASKED, tools=[WEATHER], thinks=True), stream)
    assert [call.arguments for call in first.calls] == [{"city": "Paris"}]
    turns = caller.answered(first, ["18 degrees"])
    after = hear(caller, target.thinking, Question(turns=turns, tools=[WEATHER], thinks=True), stream)
    assert "18 degrees" in after.text


@pytest.mark.parametrize(
    ("target", "other"),
    [*zip(PROVIDED, (*PROVIDED[1:], PROVIDED[0]), strict=True), *((target, PROVIDED[0]) for target in PROVIDED[1:-1])],
    ids=lambda target: target.id,
)
def test_reasoning_goes_on_elsewhere(caller: Caller, target: Target, other: Target) -> None:
    """Another provider cannot read them: they are left out, and it is no error. A conversation in another dialect is
    one: `/ai/run` takes each provider's own.
    """
    assert target.thinking is not None and other.thinking is not None
    first = hear(caller, target.thinking, Question(text=ASKED, tools=[WEATHER], thinks=True), False)
    turns = caller.answered(first, ["18 degrees"])
    question = Question(turns=turns, tools=[WEATHER], thinks=True)
    if caller.dialect_of(target.thinking) != caller.dialect_of(other.thinking):
        with pytest.raises(caller.errors.bad):
            caller.ask(other.thinking, question)
        return
    after = hear(caller, other.thinking, question, False)
    assert "18 degrees" in after.text


def status_of(error: BaseException) -> int | None:
    return getattr(error, "status_code", None) or getattr(error, "code", None)


@each_target
def test_an_unknown_model(caller: Caller, target: Target) -> None:
    """Bedrock says 400 of a model that it does not have."""
    with pytest.raises(caller.errors.bad if target.unknown == 400 else caller.errors.unknown) as caught:
        caller.ask(f"{target.model}-nonesuch", Question(text="hello"))
    assert status_of(caught.value) == target.unknown


@each_target
def test_a_bad_field(caller: Caller, target: Target) -> None:
    with pytest.raises(caller.errors.bad, match=r"(?i)temperature") as caught:
        caller.blunder(target.model)
    assert status_of(caught.value) == 400


@each_way
@each_provider
def test_the_provider_wants_less(caller: Caller, target: Target, stream: bool) -> None:
    with pytest.raises(caller.errors.throttled) as caught:
        hear(caller, target.model, Question(text="hello [[sim: fault=429 retry_after=7]]"), stream)
    assert status_of(caught.value) == 429 and caller.retry_after(caught.value) == "7"


def test_a_wrong_token(caller: Caller) -> None:
    with pytest.raises(caller.errors.unauthenticated) as caught:
        caller.with_token("not-the-token").ask(HERE.model, Question(text="hello"))
    assert status_of(caught.value) == 401
