"""Text completions: answers are what OpenAI's published schema allows, a stream adds up to the whole, and each rule has
a request that breaks it."""

from __future__ import annotations

from typing import Any

import pytest

PATH = "/v1/completions"
INSTRUCT = "gpt-3.5-turbo-instruct"

RIGHT: dict[str, dict[str, Any]] = {
    "plain": {"prompt": "Once upon a time"},
    "unicode": {"prompt": "echo: ☃ 😀 é\u2028 data: [DONE]\n\nevent: x\r\n\0 ", "max_tokens": 99},
    "several": {"prompt": ["One", "Two"], "n": 2, "best_of": 2},
    "tokens": {"prompt": [1, 2, 3]},
    "tokens of several": {"prompt": [[1, 2], [3]]},
    "echo": {"prompt": "Say this", "echo": True, "logprobs": 2},
    "logprobs": {"prompt": "Say this", "logprobs": 0},
    "stop": {"prompt": "echo: one two three", "stop": [" three", "never"]},
    "nothing new": {"prompt": "Only this", "echo": True, "max_tokens": 0},
    "suffix": {"prompt": "def f(a):", "suffix": "return a", "max_tokens": 64},
    "length": {"prompt": "[[sim: tokens=90]] hello"},
    "content filter": {"prompt": "[[sim: content_filter]] hello"},
    "all at once": {
        "prompt": "hello",
        "temperature": 0,
        "top_p": 0.5,
        "seed": 1,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "logit_bias": {"50256": -100},
        "user": "u",
    },
}


@pytest.mark.parametrize("name", RIGHT)
async def test_whole_and_streamed_say_the_same(name: str, caller: Any, openai_schemas: Any) -> None:
    body = {"model": INSTRUCT, **RIGHT[name]}
    openai_schemas.check("CreateCompletionRequest", body)
    whole = (await caller.post(PATH, body)).json()
    openai_schemas.check("CreateCompletionResponse", whole)
    reply = await caller.post(PATH, {**body, "stream": True, "stream_options": {"include_usage": True}})

    assert reply.complete
    *events, done = reply.events()
    assert done == ("", "[DONE]")
    *chunks, last = [chunk for _, chunk in events]
    assert last["choices"] == [] and last["usage"] == whole["usage"]
    for chunk in chunks:
        # OpenAI's schema has no word for a reason that is not known yet; its streams say null.
        reasons = [{**part, "finish_reason": part["finish_reason"] or "stop"} for part in chunk["choices"]]
        openai_schemas.check("CreateCompletionResponse", {**chunk, "choices": reasons, "usage": whole["usage"]})
        assert chunk["usage"] is None and chunk["object"] == "text_completion"
    for choice in whole["choices"]:
        parts = [part for chunk in chunks for part in chunk["choices"] if part["index"] == choice["index"]]
        assert "".join(part["text"] for part in parts) == choice["text"]
        assert [part["finish_reason"] for part in parts] == [None] * (len(parts) - 1) + [choice["finish_reason"]]
        if choice["logprobs"] is not None:
            tokens = [token for part in parts[:-1] for token in part["logprobs"]["tokens"]]
            assert tokens == choice["logprobs"]["tokens"]
            assert {len(row) for row in choice["logprobs"].values()} == {len(tokens)}


async def test_how_many_and_in_which_order(caller: Any) -> None:
    body = {"model": INSTRUCT, "prompt": ["echo: a", "echo: b"], "n": 2}
    answer = (await caller.post(PATH, body)).json()
    assert [(choice["index"], choice["text"]) for choice in answer["choices"]] == [
        (0, "a"),
        (1, "a"),
        (2, "b"),
        (3, "b"),
    ]


async def test_an_answer_is_sixteen_tokens_long_where_nobody_says(caller: Any) -> None:
    answer = (await caller.post(PATH, {"model": INSTRUCT, "prompt": "[[sim: tokens=90]] x"})).json()
    assert answer["usage"]["completion_tokens"] == 16 and answer["choices"][0]["finish_reason"] == "length"


# name: (what is changed, status, param, words of the message)
BROKEN: dict[str, tuple[dict[str, Any], int, str | None, str]] = {
    "unknown field": ({"messages": []}, 400, "messages", "Unknown parameter"),
    "unknown field beside": ({"top_k": 5}, 400, "top_k", "Unknown parameter"),
    "prompt of a number": ({"prompt": 7}, 400, "prompt", "Invalid type"),
    "mixed prompts": ({"prompt": ["a", 1]}, 400, "prompt", "one kind"),
    "empty tokens": ({"prompt": [[]]}, 400, None, ""),
    "logprobs": ({"logprobs": 6}, 400, "logprobs", "above maximum"),
    "logprobs as chats have them": ({"logprobs": True}, 400, "logprobs", "Invalid type"),
    "max_tokens": ({"max_tokens": -1}, 400, "max_tokens", "below minimum"),
    "best_of": ({"best_of": 21}, 400, "best_of", "above maximum"),
    "best_of less than n": ({"best_of": 1, "n": 2}, 400, "best_of", "at most 'best_of'"),
    "best_of in a stream": ({"best_of": 2, "stream": True}, 400, "best_of", "streamed"),
    "stream_options": ({"stream_options": {"include_usage": True}}, 400, "stream_options", "'stream' is enabled"),
    "five stops": ({"stop": list("abcde")}, 400, "stop", "too long"),
    "suffix": ({"suffix": "x", "model": "davinci-002"}, 400, "suffix", "does not support"),
    "suffix and echo": ({"suffix": "x", "echo": True}, 400, "echo", "not yet supported"),
    "too long": ({"max_tokens": 5000}, 400, None, "maximum context length is 4096"),
    "a chat model": ({"model": "gpt-4o"}, 404, "model", "v1/chat/completions"),
    "no such model": ({"model": "gpt-3"}, 404, None, "does not exist"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_rule(name: str, caller: Any, openai_schemas: Any) -> None:
    changed, status, param, words = BROKEN[name]
    reply = await caller.post(PATH, {"model": INSTRUCT, "prompt": "hello", **changed})
    assert reply.status == status
    openai_schemas.check("ErrorResponse", reply.json())
    error = reply.json()["error"]
    assert words in error["message"]
    assert param is None or error["param"] == param


async def test_without_a_prompt(caller: Any) -> None:
    reply = await caller.post(PATH, {"model": INSTRUCT})
    assert reply.status == 400 and reply.json()["error"]["param"] == "prompt"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_no_conversation_with_one_that_completes(path: str, caller: Any) -> None:
    asked = {"messages": [{"role": "user", "content": "x"}]} if "chat" in path else {"input": "x"}
    reply = await caller.post(path, {"model": INSTRUCT, **asked})
    assert reply.status == 404 and "v1/completions" in reply.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_faults(caller: Any, stream: bool) -> None:
    body = {"model": INSTRUCT, "stream": stream}
    refused = await caller.post(PATH, {**body, "prompt": "[[sim: fault=429 retry_after=3]] x"})
    assert refused.status == 429 and refused.headers["retry-after"] == "3"
    broken = await caller.post(PATH, {**body, "prompt": "[[sim: error_event_after=2]] x"})
    if stream:
        assert broken.status == 200 and "error" in broken.events()[-1][1]
    else:
        assert broken.status == 500
    cut = await caller.post(PATH, {**body, "prompt": "[[sim: cut_after=1]] x"})
    assert cut.status == 200 and not cut.complete
