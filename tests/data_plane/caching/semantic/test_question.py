"""What of a call may be said in other words, and what is the same for all who share an answer."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from data_plane.caching.keyed import _PREPARATION, TARGET, call_for, changed_anywhere
from data_plane.caching.requests import NOTHING, OF, PNG
from isthmus.core.call import CallOptions
from isthmus.data_plane.caching.semantic.question import TEXT_MAX_CHARACTERS, Question, question_of

CHAT: dict[str, Any] = {
    "model": "openai/gpt-4o",
    "temperature": 0.2,
    "max_tokens": 50,
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello to you."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        },
    ],
}
WORDS = "messages.3.content.0.text.other"


def question(body: Any, dialect: str = "openai_chat", metadata: tuple[str, ...] = (), **more: Any) -> Question | None:
    return question_of(call_for(body, dialect, **more), _PREPARATION.chat, metadata)


def rest(body: Any, dialect: str = "openai_chat", metadata: tuple[str, ...] = (), **more: Any) -> bytes | None:
    found = question(body, dialect, metadata, **more)
    return None if found is None else found.rest


def test_the_words_alone_may_differ() -> None:
    found = question(CHAT)
    assert found is not None and found.text == "What is this?"
    same = {where for where, other in changed_anywhere(CHAT) if rest(other) == found.rest}
    assert WORDS in same and same - {WORDS} <= NOTHING


def test_whoever_else_is_asked_otherwise() -> None:
    whole = rest(CHAT)
    others = [
        rest(CHAT, own_key="Bearer sk-own"),
        rest(CHAT, target=msgspec.structs.replace(TARGET, model="gpt-4o-mini")),
        rest(CHAT, target=msgspec.structs.replace(TARGET, provider="azure-openai")),
        rest(CHAT, target=msgspec.structs.replace(TARGET, dialect="openai_responses")),
        rest(CHAT, metadata=("tenant",)),
        rest(CHAT, metadata=("tenant",), options=CallOptions(metadata_values={"tenant": "a"})),
        rest(CHAT, metadata=("tenant",), options=CallOptions(metadata_values={"tenant": "b"})),
    ]
    assert None not in others and len({whole, *others}) == len(others) + 1
    assert rest(CHAT, options=CallOptions(metadata_values={"trace": "1"})) == whole
    assert rest({**CHAT, "stream": True}, stream=True) == whole


def test_dialects_meet() -> None:
    asked = {
        "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9},
        "anthropic_messages": {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9},
        "openai_responses": {"model": "m", "input": "Good day", "max_output_tokens": 9},
    }
    assert len({rest(body, dialect) for dialect, body in asked.items()}) == 1


def changed(**messages: Any) -> dict[str, Any]:
    body = copy.deepcopy(CHAT)
    body["messages"][-1].update(messages)
    return body


@pytest.mark.parametrize(
    "body,more",
    [
        (changed(content="   "), {}),
        (changed(content="x" * (TEXT_MAX_CHARACTERS + 1)), {}),
        (changed(role="assistant", content="Well,"), {}),
        ({**CHAT, "unknown_to_us": 1}, {}),
        ({**CHAT, "messages": []}, {}),
        ({**CHAT, "messages": 7}, {}),
        (CHAT, {"options": CallOptions(cache_key="mine")}),
        (CHAT, {"fingerprint": lambda: b"native"}),
        (CHAT, {"target": None}),
    ],
)
def test_what_is_not_looked_up(body: Any, more: dict[str, Any]) -> None:
    assert question(body, **more) is None


@pytest.mark.parametrize("dialect", sorted(OF))
def test_in_every_dialect_the_words_alone_may_differ(dialect: str) -> None:
    body = OF[dialect]
    whole = question(body, dialect)
    if whole is None:
        return
    for where, other in changed_anywhere(body):
        found = question(other, dialect)
        if found is not None and found.rest == whole.rest and found.text == whole.text:
            assert where in NOTHING


def test_what_is_no_question() -> None:
    for dialect in ("openai_embeddings", "workers_ai_embeddings", "openai_completions"):
        assert question(OF[dialect], dialect) is None
