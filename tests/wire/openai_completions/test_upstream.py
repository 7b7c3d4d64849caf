"""A chat for a model that only goes on from a text: what becomes of it, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    CacheMark,
    Chat,
    Image,
    Message,
    Text,
    Tool,
    ToolChoice,
)
from isthmus.errors import Unsupported
from isthmus.wire.openai_completions import DIALECT

MODEL = Model(name="davinci-002")


def said(role: Any, *texts: str) -> Message:
    return Message(role=role, parts=tuple(Text(text=text) for text in texts))


def chat(*messages: Message, **more: Any) -> Chat:
    return Chat(model="m", messages=messages or (said("user", "Hello"),), **{"max_tokens": 9, **more})


def write(*messages: Message, model: Model = MODEL, **more: Any) -> tuple[dict[str, Any], dict[str, str]]:
    written = DIALECT.write_request(chat(*messages, **more), model)
    assert not written.fetch
    return msgspec.json.decode(written.body), {note.field: note.fate for note in written.notes}


def test_one_text_is_the_prompt() -> None:
    assert write() == ({"model": "davinci-002", "prompt": "Hello", "max_tokens": 9}, {})


def test_all_that_is_asked_for() -> None:
    body, notes = write(
        temperature=0.0,
        top_p=0.5,
        stop=("a",),
        seed=0,
        frequency_penalty=0.5,
        presence_penalty=0.0,
        logit_bias={"1": -5},
        choices=2,
        logprobs=True,
        top_logprobs=3,
        user="u",
        stream=True,
    )
    assert body == {
        "model": "davinci-002",
        "prompt": "Hello",
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["a"],
        "seed": 0,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.0,
        "logit_bias": {"1": -5},
        "n": 2,
        "logprobs": 3,
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert notes == {}


def test_several_texts_are_put_into_one() -> None:
    body, notes = write(said("system", "Be brief."), said("user", "One", "Two"))
    assert body["prompt"] == "Be brief.\n\nOne\n\nTwo" and notes == {"messages": "emulated"}


def test_an_answers_form_is_said_in_words() -> None:
    body, notes = write(answer_format=AnswerFormat())
    assert body["prompt"].startswith("Hello\n\n") and "JSON" in body["prompt"]
    assert notes == {"answer_format": "emulated"}


def test_how_long_where_nobody_says() -> None:
    body, notes = write(max_tokens=None)
    assert body["max_tokens"] == 1024 and notes == {"max_tokens": "emulated"}


def test_it_is_not_asked_for_more_than_it_can_say() -> None:
    body, notes = write(max_tokens=9000, model=Model(name="m", max_output_tokens=4096))
    assert body["max_tokens"] == 4096 and notes == {}


@pytest.mark.parametrize(
    ("fields", "notes"),
    [
        ({"top_k": 5}, {"top_k": "lost"}),
        ({"effort": "high"}, {"effort": "lost"}),
        ({"effort": "none", "thinking_budget": 0, "verbosity": "medium", "service_tier": "auto"}, {}),
        ({"metadata": {"a": "b"}, "cache_key": "k"}, {"metadata": "lost", "cache_key": "lost"}),
        ({"cache": CacheMark()}, {"cache_control": "emulated"}),
        ({"stop": tuple("abcde")}, {"stop": "lost"}),
        ({"logprobs": True, "top_logprobs": 9}, {"top_logprobs": "lost"}),
        ({"tool_choice": ToolChoice(mode="auto"), "parallel_tool_calls": False}, {}),
    ],
)
def test_what_it_lacks_is_told(fields: dict[str, Any], notes: dict[str, str]) -> None:
    body, told = write(**fields)
    assert told == notes
    assert len(body.get("stop", ())) <= 4 and body.get("logprobs", 0) <= 5


def test_what_the_model_refuses_is_told() -> None:
    body, notes = write(seed=1, model=Model(name="m", refuses=frozenset({"seed"})))
    assert "seed" not in body and notes == {"seed": "lost"}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (chat(said("user", "a"), said("assistant", "b"), said("user", "c")), "messages.1"),
        (chat(Message(role="user", parts=(Image(url="https://x.test/a.png"),))), "messages.0.content"),
        (chat(tools=(Tool(name="f"),)), "tools"),
        (chat(said("user", "")), "messages"),
    ],
)
def test_what_would_be_another_answer_is_refused(asked: Chat, param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        DIALECT.write_request(asked, MODEL)
    assert caught.value.param == param and caught.value.message.startswith("`")
