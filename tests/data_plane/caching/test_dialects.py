"""One answer given again in every dialect and form: as the readers of `wire/` decode it, nothing of it is lost."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from data_plane.caching.heard import Heard, heard
from data_plane.caching.requests import PNG
from data_plane.caching.served import Served, status
from data_plane.callers import AT, BEDROCK, CALLERS, CHAT, COHERE, GEMINI, MESSAGES, RESPONSES, path, turn

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAYS = (False, True)
each_way = pytest.mark.parametrize("stream", WAYS, ids=["whole", "stream"])
each_caller = pytest.mark.parametrize("caller", CALLERS)
each_target = pytest.mark.parametrize("target", list(AT))
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"], "additionalProperties": False}
ROOM = 3000
THINKING = {
    CHAT: "chatty/gpt-5.5",
    RESPONSES: "responsive/gpt-5.5",
    MESSAGES: "anthropic/claude-sonnet-4.5",
    GEMINI: AT[GEMINI],
    BEDROCK: AT[BEDROCK],
    COHERE: "cohere/command-a-reasoning-08-2025",
}


def asked(caller: str, model: str, text: str, stream: bool, **more: Any) -> dict[str, Any]:
    """The same in each dialect: their requests are one `Chat`."""
    said = more.pop("said", None) or [turn(caller, text)]
    if caller == GEMINI:
        settings = {"maxOutputTokens": ROOM, **more.pop("settings", {})}
        return {"contents": said, "generationConfig": settings, **more}
    body: dict[str, Any] = {"model": model, "stream": stream, **more}
    if caller == RESPONSES:
        return {"input": said, "store": False, "max_output_tokens": ROOM, **body}
    usage = {"stream_options": {"include_usage": True}} if caller == CHAT and stream else {}
    return {"messages": said, "max_tokens": ROOM, **usage, **body}


def tools(caller: str) -> dict[str, Any]:
    named = {"name": "weather", "description": "The weather."}
    if caller == CHAT:
        return {"tools": [{"type": "function", "function": {**named, "parameters": SCHEMA}}]}
    if caller == RESPONSES:
        return {"tools": [{"type": "function", **named, "parameters": SCHEMA, "strict": None}]}
    if caller == MESSAGES:
        return {"tools": [{**named, "input_schema": SCHEMA}]}
    return {"tools": [{"functionDeclarations": [{**named, "parametersJsonSchema": SCHEMA}]}]}


def thinks(caller: str) -> dict[str, Any]:
    if caller == CHAT:
        return {"reasoning_effort": "low"}
    if caller == RESPONSES:
        return {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    if caller == MESSAGES:
        return {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    return {"settings": {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}}


def picture(caller: str, text: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{PNG}"
    if caller == GEMINI:
        return {"role": "user", "parts": [{"text": text}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]}
    if caller == RESPONSES:
        parts: list[Any] = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url}]
    elif caller == MESSAGES:
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        parts = [{"type": "text", "text": text}, {"type": "image", "source": source}]
    else:
        parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    return {"role": "user", "content": parts}


async def ask(served: Served, caller: str, model: str, text: str, stream: bool, **more: Any) -> httpx.Response:
    own = {"anthropic-version": "2023-06-01"} if caller == MESSAGES else {}  # as the official SDK does it
    headers = {**own, **more.pop("headers", {})}
    return await served.ask(path(caller, model, stream), asked(caller, model, text, stream, **more), headers=headers)


def said(found: Heard) -> Any:
    """What every dialect has words for."""
    calls = [(name, given) for name, _, given in found.calls.values()]
    usage = found.usage
    tokens = None if usage is None else (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
    return found.text, found.refusal, calls, found.finish, tokens


@each_target
@each_way
@each_caller
async def test_an_answer_serves_every_caller(served: Served, caller: str, stream: bool, target: str) -> None:
    text = f"Serve all of {caller} {stream} {target}."
    first = await ask(served, caller, AT[target], text, stream)
    assert status(first) == "MISS", first.text
    expected = said(heard(caller, first))
    assert expected[0] and expected[3] == {0: "stop"} and expected[4][1] > 0
    before = served.asked
    for other in CALLERS:
        for way in WAYS:
            again = await ask(served, other, AT[target], text, way)
            assert status(again) == "HIT", (other, way, again.text)
            assert said(heard(other, again)) == expected, (other, way)
    assert served.asked == before


@each_target
@each_way
@each_caller
async def test_so_do_the_calls_of_tools(served: Served, caller: str, stream: bool, target: str) -> None:
    text = f'Tools of {caller} {stream} {target}. call weather with {{"at":"Bern","x":[1,"\\u00e9"]}}'
    first = await ask(served, caller, AT[target], text, stream, **tools(caller))
    assert status(first) == "MISS", first.text
    expected = said(heard(caller, first))
    assert expected[2] == [("weather", {"at": "Bern", "x": [1, "é"]})] and expected[3] == {0: "tool_calls"}
    before = served.asked
    ids = {}
    for other in CALLERS:
        for way in WAYS:
            again = await ask(served, other, AT[target], text, way, **tools(other))
            assert status(again) == "HIT", (other, way, again.text)
            found = heard(other, again)
            assert said(found) == expected, (other, way)
            ids[other, way] = [call[1] for call in found.calls.values()]
    assert served.asked == before
    for other in CALLERS:
        assert ids[other, False] == ids[other, True] or other == GEMINI or target == GEMINI


@each_target
@each_way
@each_caller
async def test_thinking_stays_with_its_answer(served: Served, caller: str, stream: bool, target: str) -> None:
    text = f"Think of {caller} {stream} {target}."
    first = await ask(served, caller, THINKING[target], text, stream, **thinks(caller))
    assert status(first) == "MISS", first.text
    one = heard(caller, first)
    for way in WAYS:
        again = await ask(served, caller, THINKING[target], text, way, **thinks(caller))
        if way != stream and caller == target == RESPONSES:  # its maker knows it by its item's id, which it would lose
            assert status(again) == "MISS"
            continue
        assert status(again) == "HIT", again.text
        other = heard(caller, again)
        assert said(other) == said(one) and other.reasoning == one.reasoning and other.signatures == one.signatures
        assert (one.usage and one.usage.reasoning_tokens) == (other.usage and other.usage.reasoning_tokens)


@each_target
@each_caller
async def test_pictures(served: Served, caller: str, target: str) -> None:
    if target == COHERE:
        return  # its model takes none
    text = f"See of {caller} {target}."
    first = await ask(served, caller, AT[target], text, False, said=[picture(caller, text)])
    assert status(first) == "MISS", first.text
    for other in CALLERS:
        again = await ask(served, other, AT[target], text, True, said=[picture(other, text)])
        assert status(again) == "HIT", (other, again.text)
        assert said(heard(other, again)) == said(heard(caller, first))
    other_picture = picture(caller, text + " too")
    assert status(await ask(served, caller, AT[target], text, False, said=[other_picture])) == "MISS"


@pytest.mark.parametrize("more", [{"n": 2}, {"logprobs": True, "top_logprobs": 2}, {"n": 2, "logprobs": True}], ids=str)
@each_way
async def test_what_only_one_form_can_say_is_no_hit_in_the_other(
    served: Served, stream: bool, more: dict[str, Any]
) -> None:
    text = f"Some of {stream} {more}."
    first = await ask(served, CHAT, AT[CHAT], text, stream, **more)
    again = await ask(served, CHAT, AT[CHAT], text, stream, **more)
    assert [status(first), status(again)] == ["MISS", "HIT"]
    one, two = heard(CHAT, first), heard(CHAT, again)
    assert one == two and len(one.text) == more.get("n", 1) and bool(one.logprobs) == bool(more.get("logprobs"))
    assert status(await ask(served, CHAT, AT[CHAT], text, not stream, **more)) == "MISS"


async def test_usage_is_told_to_who_asks_for_it_alone(served: Served) -> None:
    """Streams of chat completions: the first call asked for none, the kept one has it."""
    for number, (first, wish) in enumerate(((None, None), (None, True), (True, None), (True, True))):
        for model in (AT[CHAT], AT[MESSAGES]):
            text = f"Usage {number} {model}."
            for expected, told in (("MISS", first), ("HIT", wish)):
                options = {"stream_options": {"include_usage": told}} if told is not None else {}
                body = {"model": model, "messages": [turn(CHAT, text)], "max_tokens": 90, "stream": True, **options}
                answer = await served.ask("v1/chat/completions", body)
                assert status(answer) == expected
                assert (heard(CHAT, answer).usage is not None) is bool(told)


@each_way
async def test_a_caller_who_wants_no_loss(served: Served, stream: bool) -> None:
    """What was lost on the way to the first answer is lost in it for everybody."""
    strict = {"cf-aig-fidelity": "strict"}
    text = f"Strictly {stream}."
    first = await ask(served, CHAT, AT[MESSAGES], text, stream, seed=7)
    assert status(first) == "MISS" and "seed" in first.headers["cf-aig-fidelity"]
    again = await ask(served, CHAT, AT[MESSAGES], text, stream, seed=7)
    assert status(again) == "HIT" and again.headers["cf-aig-fidelity"] == first.headers["cf-aig-fidelity"]
    refused = await ask(served, CHAT, AT[MESSAGES], text, stream, seed=7, headers=strict)
    assert refused.status_code == 400 and "seed" in refused.text and status(refused) == "MISS"
    other = await ask(served, GEMINI, AT[MESSAGES], text, stream, settings={"seed": 7})
    assert status(other) == "HIT" and "seed" in other.headers["cf-aig-fidelity"]
    strictly = await ask(served, CHAT, AT[MESSAGES], text + "!", stream, headers=strict)
    assert status(strictly) == "MISS"
    assert status(await ask(served, CHAT, AT[MESSAGES], text + "!", stream, headers=strict)) == "HIT"


@each_way
async def test_a_key_of_the_caller_s_own_spans_providers(served: Served, stream: bool) -> None:
    """Each is given the first one's answer in its own dialect, and no usage that it did not ask for."""
    models = AT[CHAT], AT[MESSAGES], AT[GEMINI]
    for first in models:
        key = {"cf-aig-cache-key": f"spans {first} {stream}"}
        found = []
        for model in (first, *models):
            for caller in (CHAT, MESSAGES):
                body = asked(caller, model, "Whose?", stream)
                body.pop("stream_options", None)
                answer = await served.ask(path(caller, model, stream), body, headers=key)
                found.append((status(answer), heard(caller, answer)))
                assert (found[-1][1].usage is None) is (stream and caller == CHAT)
        assert [told for told, _ in found] == ["MISS", *["HIT"] * 7]
        assert len({each.text[0] for _, each in found}) == 1
