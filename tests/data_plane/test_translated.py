"""From each dialect into each other, end to end: conversations with tools, pictures and schemas reach a strict provider
in its own form, and what it says reaches the caller in his, whole and streamed. What is lost on the way is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from isthmus.simulator import Fault, Simulator

CHAT, RESPONSES, MESSAGES = "v1/chat/completions", "v1/responses", "v1/messages"
# The caller's dialect, the provider's, and a provider that speaks it. `chatty` and `responsive` are declared below.
PAIRS = [
    (CHAT, RESPONSES, "responsive/"),
    (CHAT, MESSAGES, "anthropic/"),
    (RESPONSES, CHAT, "chatty/"),
    (RESPONSES, MESSAGES, "anthropic/"),
    (MESSAGES, CHAT, "openai/"),
    (MESSAGES, RESPONSES, "responsive/"),
]
PLAIN = {CHAT: "gpt-4o", RESPONSES: "gpt-4o", MESSAGES: "claude-haiku-4-5"}
ANSWERS_AS = {"gpt-4o": "gpt-4o-2024-08-06", "claude-haiku-4-5": "claude-haiku-4-5-20251001"}
THINKING = {CHAT: "gpt-5", RESPONSES: "gpt-5", MESSAGES: "claude-sonnet-4-5"}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {"at": {"type": "string"}, "degrees": {"type": "number"}},
    "required": ["at", "degrees"],
    "additionalProperties": False,
}
TEXT = 'echo: Grüße, 世界 — "done" \\ \n and 😀'
SAID = 'Grüße, 世界 — "done" \\ \n and 😀'


class Heard(msgspec.Struct, kw_only=True):
    """An answer in nobody's dialect. `stop` is the dialect's own word for why it ended."""

    text: str = ""
    refusal: str = ""
    thought: str = ""
    calls: dict[str, tuple[str, str]] = {}
    stop: Any = None
    model: str = ""
    tokens: tuple[int, int] = (0, 0)
    cached: int = 0
    thought_tokens: int = 0

    def called(self) -> list[tuple[str, Any]]:
        return [(name, msgspec.json.decode(arguments)) for name, arguments in self.calls.values()]


# How a question is put in each dialect.


def asked(path: str, *turns: Any, system: str | None = None, **more: Any) -> dict[str, Any]:
    """`turns` in the dialect's own form; a string is the user's."""
    said = [{"role": "user", "content": turn} if isinstance(turn, str) else turn for turn in turns]
    if path == RESPONSES:
        body: dict[str, Any] = {"input": said, "store": False, "max_output_tokens": 300}
        return body | ({"instructions": system} if system else {}) | more
    if path == CHAT:
        said = [{"role": "system", "content": system}, *said] if system else said
        return {"messages": said, "max_tokens": 300, **more}
    return {"messages": said, "max_tokens": 300, **({"system": system} if system else {}), **more}


def tools(path: str) -> list[dict[str, Any]]:
    named = [("weather", "The weather there.", SCHEMA), ("clock", "The time.", {"type": "object", "properties": {}})]
    if path == CHAT:
        return [
            {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
            for name, about, schema in named
        ]
    if path == RESPONSES:
        return [
            {"type": "function", "name": name, "description": about, "parameters": schema, "strict": False}
            for name, about, schema in named
        ]
    return [{"name": name, "description": about, "input_schema": schema} for name, about, schema in named]


def called_and_answered(path: str, calls: dict[str, tuple[str, str]], results: list[str]) -> list[dict[str, Any]]:
    """The turns in which the assistant called tools and they answered."""
    pairs = [(ident, name, text, result) for (ident, (name, text)), result in zip(calls.items(), results, strict=True)]
    if path == CHAT:
        made = [
            {"id": ident, "type": "function", "function": {"name": name, "arguments": text}}
            for ident, name, text, _ in pairs
        ]
        answered = [{"role": "tool", "tool_call_id": ident, "content": result} for ident, _, _, result in pairs]
        return [{"role": "assistant", "content": None, "tool_calls": made}, *answered]
    if path == RESPONSES:
        return [
            *({"type": "function_call", "call_id": i, "name": name, "arguments": text} for i, name, text, _ in pairs),
            *({"type": "function_call_output", "call_id": i, "output": result} for i, _, _, result in pairs),
        ]
    used = [
        {"type": "tool_use", "id": ident, "name": name, "input": msgspec.json.decode(text)}
        for ident, name, text, _ in pairs
    ]
    given = [{"type": "tool_result", "tool_use_id": ident, "content": result} for ident, _, _, result in pairs]
    return [{"role": "assistant", "content": used}, {"role": "user", "content": given}]


def picture(path: str, text: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{PICTURE}"
    if path == CHAT:
        parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    elif path == RESPONSES:
        parts = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url, "detail": "auto"}]
    else:
        source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
        parts = [{"type": "image", "source": source}, {"type": "text", "text": text}]
    return {"role": "user", "content": parts}


def schema(path: str) -> dict[str, Any]:
    if path == CHAT:
        named = {"name": "weather", "schema": SCHEMA, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    if path == RESPONSES:
        return {"text": {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA, "strict": True}}}
    return {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}


# How an answer is heard in each dialect.


def events(text: str) -> Iterator[Any]:
    for block in text.split("\n\n"):
        for line in block.split("\n"):
            if line.startswith("data: {"):
                yield msgspec.json.decode(line[6:])


def heard(path: str, answer: httpx.Response, stream: bool) -> Heard:
    assert answer.status_code == 200, answer.text
    if stream:
        assert answer.headers["content-type"].startswith("text/event-stream")
        listen = {CHAT: hear_chat_stream, RESPONSES: hear_response_stream, MESSAGES: hear_message_stream}[path]
        return listen(answer.text)
    return {CHAT: hear_chat, RESPONSES: hear_response, MESSAGES: hear_message}[path](answer.json())


def chat_usage(found: Heard, usage: dict[str, Any]) -> None:
    found.tokens = usage["prompt_tokens"], usage["completion_tokens"]
    found.cached = usage["prompt_tokens_details"]["cached_tokens"]
    found.thought_tokens = usage["completion_tokens_details"]["reasoning_tokens"]
    assert usage["total_tokens"] == sum(found.tokens)


def hear_chat(answer: dict[str, Any]) -> Heard:
    assert answer["object"] == "chat.completion" and answer["id"].startswith("chatcmpl-")
    (choice,) = answer["choices"]
    said = choice["message"]
    assert said["role"] == "assistant"
    calls = {
        call["id"]: (call["function"]["name"], call["function"]["arguments"]) for call in said.get("tool_calls", ())
    }
    found = Heard(
        text=said["content"] or "",
        refusal=said["refusal"] or "",
        thought=said.get("reasoning_content", ""),
        calls=calls,
        stop=choice["finish_reason"],
        model=answer["model"],
    )
    chat_usage(found, answer["usage"])
    return found


def hear_chat_stream(text: str) -> Heard:
    assert text.endswith("data: [DONE]\n\n")
    found, order = Heard(), []
    for chunk in events(text):
        found.model = chunk["model"]
        if not chunk["choices"]:
            chat_usage(found, chunk["usage"])
        for choice in chunk["choices"]:
            delta = choice["delta"]
            found.text += delta.get("content") or ""
            found.refusal += delta.get("refusal") or ""
            found.thought += delta.get("reasoning_content") or ""
            found.stop = choice["finish_reason"] or found.stop
            for piece in delta.get("tool_calls", ()):
                if "id" in piece:
                    assert piece["index"] == len(order)
                    order.append(piece["id"])
                    found.calls[piece["id"]] = piece["function"]["name"], ""
                name, arguments = found.calls[order[piece["index"]]]
                found.calls[order[piece["index"]]] = name, arguments + piece["function"]["arguments"]
    return found


def hear_response(answer: dict[str, Any]) -> Heard:
    assert answer["object"] == "response" and answer["id"].startswith("resp_")
    found = Heard(model=answer["model"], stop=answer["status"])
    if answer["incomplete_details"] is not None:
        found.stop = answer["incomplete_details"]["reason"]
    for item in answer["output"]:
        if item["type"] == "function_call":
            found.calls[item["call_id"]] = item["name"], item["arguments"]
        elif item["type"] == "reasoning":
            found.thought += "".join(part["text"] for part in item["summary"])
        else:
            for part in item["content"]:
                found.text += part.get("text", "")
                found.refusal += part.get("refusal", "")
    usage = answer["usage"]
    found.tokens = usage["input_tokens"], usage["output_tokens"]
    found.cached = usage["input_tokens_details"]["cached_tokens"]
    found.thought_tokens = usage["output_tokens_details"]["reasoning_tokens"]
    return found


def hear_response_stream(text: str) -> Heard:
    told = list(events(text))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[0]["type"] == "response.created" and told[-1]["type"] in ("response.completed", "response.incomplete")
    found = hear_response(told[-1]["response"])
    deltas = [event["delta"] for event in told if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == found.text
    return found


def message_usage(found: Heard, usage: dict[str, Any]) -> None:
    found.cached = usage["cache_read_input_tokens"]
    written = usage["cache_creation_input_tokens"]
    found.tokens = usage["input_tokens"] + found.cached + written, usage["output_tokens"]
    found.thought_tokens = (usage.get("output_tokens_details") or {}).get("thinking_tokens", 0)


def hear_message(answer: dict[str, Any]) -> Heard:
    assert (answer["type"], answer["role"]) == ("message", "assistant") and answer["id"].startswith("msg_")
    found = Heard(model=answer["model"], stop=(answer["stop_reason"], answer["stop_sequence"]))
    for block in answer["content"]:
        if block["type"] == "tool_use":
            found.calls[block["id"]] = block["name"], msgspec.json.encode(block["input"]).decode()
        elif block["type"] == "thinking":
            found.thought += block["thinking"]
        else:
            found.text += block["text"]
    message_usage(found, answer["usage"])
    return found


def hear_message_stream(text: str) -> Heard:
    told = list(events(text))
    assert [event["type"] for event in told if event["type"].startswith("message")] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    found, names = Heard(model=told[0]["message"]["model"]), {}
    for event in told:
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            names[event["index"]] = event["content_block"]["id"]
            found.calls[event["content_block"]["id"]] = event["content_block"]["name"], ""
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            found.text += delta.get("text", "")
            found.thought += delta.get("thinking", "")
            if "partial_json" in delta:
                name, arguments = found.calls[names[event["index"]]]
                found.calls[names[event["index"]]] = name, arguments + delta["partial_json"]
        elif event["type"] == "message_delta":
            found.stop = event["delta"]["stop_reason"], event["delta"]["stop_sequence"]
            message_usage(found, event["usage"])
    return found


class Pair:
    def __init__(self, gateway: Any, simulator: Simulator, caller: str, provider: str, prefix: str) -> None:
        self.gateway = gateway
        self.caller = caller
        self.provider = provider
        self.prefix = prefix
        self._simulator = simulator

    async def ask(self, stream: bool, body: dict[str, Any], model: str | None = None) -> Heard:
        answer = await self.post(stream, body, model)
        found = heard(self.caller, answer, stream)
        row = (await self.gateway.rows())[0]
        assert (row["end"], row["success"], row["streamed"]) == ("completed", True, stream)
        assert (row["tokens_in"], row["tokens_out"]) == found.tokens
        assert (row["cached_tokens"], row["reasoning_tokens"]) == (found.cached, found.thought_tokens)
        return found

    async def post(self, stream: bool, body: dict[str, Any], model: str | None = None) -> httpx.Response:
        usage = {"stream_options": {"include_usage": True}} if stream and self.caller == CHAT else {}
        name = self.prefix + (model or PLAIN[self.provider])
        return await self.gateway.post(self.caller, {**body, "model": name, "stream": stream, **usage})

    def provider_got(self, path: str | None = None) -> dict[str, Any]:
        request = self._simulator.requests[-1]
        assert request.path == "/" + (path or self.provider)
        found: dict[str, Any] = request.json()
        return found


@pytest.fixture
async def pairs(start_gateway: Any, simulator: Simulator, tmp_path: Path) -> list[Pair]:
    config = tmp_path / "pairs.toml"
    place = f'base_url = "{simulator.openai_url}"\nallow_private_address = true\n'
    config.write_text(
        f"[providers.openai]\n{place}"
        f'[providers.chatty]\n{place}dialect = "openai_chat"\ncredential = "env:OPENAI_API_KEY"\n'
        f'[providers.responsive]\n{place}dialect = "openai_responses"\ncredential = "env:OPENAI_API_KEY"\n'
        f'[providers.anthropic]\nbase_url = "{simulator.anthropic_url}"\nallow_private_address = true\n'
    )
    gateway = await start_gateway(config_file=str(config))
    return [Pair(gateway, simulator, *pair) for pair in PAIRS]


STOPPED = {CHAT: "stop", RESPONSES: "completed", MESSAGES: ("end_turn", None)}
AT_LENGTH = {CHAT: "length", RESPONSES: "max_output_tokens", MESSAGES: ("max_tokens", None)}
FOR_TOOLS = {CHAT: "tool_calls", RESPONSES: "completed", MESSAGES: ("tool_use", None)}
BOTH = (False, True)


async def test_words_and_instructions(pairs: list[Pair]) -> None:
    for pair in pairs:
        for stream in BOTH:
            found = await pair.ask(stream, asked(pair.caller, TEXT, system="Be very brief."))
            assert found.text == SAID and found.stop == STOPPED[pair.caller]
            assert found.model == ANSWERS_AS[PLAIN[pair.provider]]  # the provider's own name (data-plane 4.1)
            got = pair.provider_got()
            instructions = got["system"] if pair.provider == MESSAGES else got.get("messages", got.get("input"))[0]
            assert "Be very brief." in msgspec.json.encode(instructions).decode()
            assert got.get("stream", False) is stream


async def test_tools_called_side_by_side_and_their_results(pairs: list[Pair]) -> None:
    wish = 'call weather with {"at":"Bern \\"B\\"","degrees":1.5} and call clock with {} and call weather'
    for pair in pairs:
        for stream in BOTH:
            more = {"tools": tools(pair.caller)}
            found = await pair.ask(stream, asked(pair.caller, wish, **more))
            (first, bern), (second, nothing), (third, other) = found.called()
            assert (first, second, third) == ("weather", "clock", "weather")
            assert bern == {"at": 'Bern "B"', "degrees": 1.5} and nothing == {}
            assert set(other) == {"at", "degrees"}
            assert found.stop == FOR_TOOLS[pair.caller] and len(found.calls) == 3
            turns = called_and_answered(pair.caller, found.calls, ["sunny", "noon", 'rain, "heavy"'])
            found = await pair.ask(stream, asked(pair.caller, wish, *turns, **more))
            assert found.text.startswith('The tool answered: sunny / noon / rain, "heavy"')
            assert found.stop == STOPPED[pair.caller] and not found.calls


TOOL_CHOICES: dict[str, tuple[Any, dict[str, Any]]] = {
    CHAT: ("required", {"parallel_tool_calls": False}),
    RESPONSES: ("required", {"parallel_tool_calls": False}),
    MESSAGES: ({"type": "any", "disable_parallel_tool_use": True}, {}),
}


async def test_one_tool_that_must_be_called(pairs: list[Pair]) -> None:
    for pair in pairs:
        for stream in BOTH:
            choice, more = TOOL_CHOICES[pair.caller]
            body = asked(
                pair.caller, "call clock and call weather", tools=tools(pair.caller), tool_choice=choice, **more
            )
            found = await pair.ask(stream, body)
            assert [name for name, _ in found.called()] == ["clock"]


async def test_pictures(pairs: list[Pair]) -> None:
    for pair in pairs:
        for stream in BOTH:
            found = await pair.ask(stream, asked(pair.caller, picture(pair.caller, "echo: a red dot")))
            assert found.text == "a red dot"
            assert PICTURE in msgspec.json.encode(pair.provider_got()).decode()


async def test_schemas(pairs: list[Pair]) -> None:
    for pair in pairs:
        for stream in BOTH:
            found = await pair.ask(stream, asked(pair.caller, "The weather?", **schema(pair.caller)))
            answer = msgspec.json.decode(found.text)
            assert set(answer) == {"at", "degrees"} and isinstance(answer["degrees"], int | float)


async def test_why_it_stopped(pairs: list[Pair]) -> None:
    for pair in pairs:
        for stream in BOTH:
            limit = {"max_output_tokens" if pair.caller == RESPONSES else "max_tokens": 20}
            words = "echo: " + "one two three four five " * 10
            found = await pair.ask(stream, {**asked(pair.caller, words), **limit})
            assert found.stop == AT_LENGTH[pair.caller] and found.tokens[1] == 20
            if pair.caller == RESPONSES:
                continue  # it has no stop sequences
            if pair.provider == RESPONSES:
                continue  # nor has it them: told below
            name = "stop" if pair.caller == CHAT else "stop_sequences"
            found = await pair.ask(stream, asked(pair.caller, "echo: one two. STOP three", **{name: ["STOP"]}))
            assert found.text == "one two. "
            # OpenAI does not tell which it was, nor that it was one.
            assert found.stop == STOPPED[pair.caller]


async def test_what_the_model_will_not_say(pairs: list[Pair], simulator: Simulator) -> None:
    for pair in pairs:
        for stream in BOTH:
            simulator.next(Fault(kind="refusal"))
            found = await pair.ask(stream, asked(pair.caller, "Something bad"))
            assert "can't help" in found.text + found.refusal
            if pair.provider == MESSAGES:  # only Anthropic gives it as the reason
                assert found.stop == {CHAT: "content_filter", RESPONSES: "content_filter"}[pair.caller]
    for pair in pairs:
        if pair.provider != MESSAGES:
            simulator.next(Fault(kind="content_filter"))
            found = await pair.ask(True, asked(pair.caller, "Something bad"))
            assert found.stop in ("content_filter", ("refusal", None))


async def test_thinking_and_its_tokens(pairs: list[Pair]) -> None:
    efforts: dict[str, dict[str, Any]] = {
        CHAT: {"reasoning_effort": "low", "max_tokens": 4000},
        RESPONSES: {"reasoning": {"effort": "low"}, "max_output_tokens": 4000},
        MESSAGES: {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000},
    }
    for pair in pairs:
        if pair.prefix == "chatty/":
            continue  # OpenAI's thinking models are not for compatible servers: they refuse `max_tokens`
        for stream in BOTH:
            body = {**asked(pair.caller, "echo: fine"), **efforts[pair.caller]}
            found = await pair.ask(stream, body, THINKING[pair.provider])
            assert found.text == "fine"
            # What thinks at OpenAI is asked by Responses, which give the thinking back.
            got = pair.provider_got(RESPONSES if pair.prefix == "openai/" else None)
            if pair.provider == MESSAGES:
                assert got["thinking"] == {"type": "enabled", "budget_tokens": 1024}
                assert found.thought
            else:
                assert got["reasoning"]["effort"] == "low"
                assert 0 < found.thought_tokens < found.tokens[1]


async def test_tokens_from_a_cache(pairs: list[Pair]) -> None:
    prompt = "All about bridges and rivers. " * 300
    for pair in pairs:
        if pair.provider == MESSAGES:
            continue  # Anthropic caches what is marked, and the other dialects have no marks
        for stream in BOTH:
            body = asked(pair.caller, f"{pair.caller} {pair.provider} {stream} {prompt}")
            first = await pair.ask(stream, body)
            second = await pair.ask(stream, body)
            assert first.cached == 0 and 1024 <= second.cached <= second.tokens[0]


# What has no place at the provider, in the caller's own words for it.
LOSSES: list[tuple[str, str, dict[str, Any], set[str]]] = [
    (
        CHAT,
        MESSAGES,
        {"seed": 7, "frequency_penalty": 0.5, "logit_bias": {"1": 2}},
        {"seed", "frequency_penalty", "logit_bias"},
    ),
    (CHAT, MESSAGES, {"logprobs": True, "nobodys": 1, "temperature": 0.5}, {"logprobs", "nobodys"}),
    (CHAT, RESPONSES, {"stop": ["x"], "seed": 7, "modalities": ["text"]}, {"stop", "seed"}),
    (
        RESPONSES,
        MESSAGES,
        {"top_logprobs": 2, "include": ["message.output_text.logprobs"], "truncation": "auto"},
        {"top_logprobs", "include", "truncation"},
    ),
    (RESPONSES, CHAT, {"metadata": {"a": "b"}, "nobodys": [1]}, {"metadata", "nobodys"}),
    (MESSAGES, CHAT, {"top_k": 5, "nobodys": 1}, {"top_k", "nobodys"}),
    (MESSAGES, RESPONSES, {"stop_sequences": ["x"], "top_k": 5}, {"stop_sequences", "top_k"}),
]


async def test_what_is_lost_is_told(pairs: list[Pair]) -> None:
    for caller, provider, more, lost in LOSSES:
        (pair,) = (each for each in pairs if (each.caller, each.provider) == (caller, provider))
        for stream in BOTH:
            answer = await pair.post(stream, {**asked(caller, "hi"), **more})
            assert answer.status_code == 200, answer.text
            told = answer.headers["cf-aig-fidelity"]
            assert set(re.findall(r'lost;field="([^"]*)"', told)) == lost, (caller, provider, more, told)
            row = (await pair.gateway.rows())[0]
            assert {note["field"] for note in row["notes"] if note["fate"] == "lost"} == lost


async def test_nothing_lost_is_nothing_told(pairs: list[Pair]) -> None:
    for pair in pairs:
        answer = await pair.post(False, asked(pair.caller, TEXT, system="Be brief.", tools=tools(pair.caller)))
        assert "cf-aig-fidelity" not in answer.headers
        assert "notes" not in (await pair.gateway.rows())[0]


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    (CHAT, MESSAGES, {"n": 2}, "n"),
    (RESPONSES, MESSAGES, {"prompt": {"id": "pmpt_1"}}, "prompt"),
    (
        MESSAGES,
        CHAT,
        {"tools": [{"type": "bash_20250124", "name": "bash"}], "tool_choice": {"type": "tool", "name": "bash"}},
        "tool_choice",
    ),
]


async def test_what_would_change_the_answer_is_refused(pairs: list[Pair], simulator: Simulator) -> None:
    for caller, provider, more, field in REFUSED:
        (pair,) = (each for each in pairs if (each.caller, each.provider) == (caller, provider))
        answer = await pair.post(False, {**asked(caller, "hi"), **more})
        assert answer.status_code == 400 and field in answer.json()["error"]["message"]
        assert (await pair.gateway.rows())[0]["end"] == "refused"
    assert len(simulator.requests) == 0


# Platform models' own form, on `/ai/run` (data-plane 4.7).


async def test_a_prompt_to_go_on_from(gateway: Any, simulator: Simulator) -> None:
    for model, name in (("openai/gpt-4o", "gpt-4o"), ("anthropic/claude-haiku-4.5", "claude-haiku-4-5")):
        asked_by = {"prompt": TEXT, "max_tokens": 300}
        answer = await gateway.post("run", {"model": model, "input": asked_by})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["success"] is True and found["result"]["response"] == SAID
        assert simulator.requests[-1].json()["model"] == name
        answer = await gateway.post("run", {"model": model, "input": {**asked_by, "stream": True}})
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "".join(event["response"] for event in events(answer.text)) == SAID
        assert {row["end"] for row in await gateway.rows()} == {"completed"}


async def test_a_prompt_whose_answer_breaks_off(gateway: Any, simulator: Simulator) -> None:
    simulator.next(Fault(cut_after=4, delay_ms=1))
    asked_by = {"prompt": "Say eight words or so.", "stream": True}
    answer = await gateway.post("run", {"model": "openai/gpt-4o", "input": asked_by})
    assert answer.status_code == 200 and "[DONE]" not in answer.text
    *said, last = events(answer.text)
    assert said and all(set(event) == {"response"} for event in said)
    assert last["success"] is False and last["errors"][0]["code"] == 2005
    row = await gateway.row()
    assert (row["end"], row["status_code"], row["success"]) == ("interrupted", 200, False)
