"""What platform models can be asked comes back equal; nonsense is an error of ours and never a traceback."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import AnswerFormat, Chat, Message, Text, Tool, ToolCall, ToolChoice, ToolResult
from isthmus.errors import GatewayError
from isthmus.wire.body import Body
from isthmus.wire.workers_ai import WORKERS_AI

SAID = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
SCHEMAS = st.dictionaries(SAID, st.one_of(SAID, st.integers(0, 99), st.none()), max_size=3)
NUMBERS = st.one_of(st.none(), st.floats(0, 2))


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    messages = [Message(role="system", parts=(Text(text=draw(SAID)),)) for _ in range(draw(st.integers(0, 1)))]
    for index in range(draw(st.integers(1, 3))):
        messages.append(Message(role="user", parts=tuple(Text(text=text) for text in draw(st.lists(SAID, min_size=1)))))
        call = ToolCall(id=f"call_{index}", name=draw(NAMES), arguments=json.dumps(draw(SCHEMAS)))
        result = ToolResult(call_id=call.id, parts=(Text(text=draw(SAID)),))
        messages.append(Message(role="assistant", parts=(Text(text=draw(SAID)), call)))
        messages.append(Message(role="tool", parts=(result,)))
    tools = tuple(Tool(name=name, parameters=draw(SCHEMAS)) for name in draw(st.lists(NAMES, max_size=2, unique=True)))
    choices = [None, *[ToolChoice(mode=mode) for mode in ("auto", "required") if tools]]  # type: ignore[arg-type]
    return Chat(
        model="",
        messages=tuple(messages),
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)),
        max_tokens=draw(st.integers(1, 9999)),
        temperature=draw(NUMBERS),
        top_p=draw(NUMBERS),
        top_k=draw(st.one_of(st.none(), st.integers(1, 50))),
        seed=draw(st.one_of(st.none(), st.integers(1, 9999))),
        stop=tuple(draw(st.lists(SAID, max_size=3))),
        answer_format=draw(st.one_of(st.none(), st.builds(AnswerFormat, schema=st.just({"type": "object"})))),
        stream=draw(st.booleans()),
    )


@given(chats())
@settings(max_examples=100, deadline=None)
def test_a_request_comes_back_as_it_was(chat: Chat) -> None:
    written = WORKERS_AI.write_request(chat, Model(name="@cf/x/y"))
    assert WORKERS_AI.read_request(Body(written.body)) == chat
    assert written.notes == ()


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), SAID),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(SAID, inner, max_size=3)),
    max_leaves=6,
)
REQUEST_FIELDS = ("prompt", "messages", "tools", "tool_choice", "response_format", "stop", "max_tokens", "image")
ANSWER_FIELDS = ("response", "tool_calls", "usage", "result", "success", "errors", "choices", "finish_reason", "id")


@given(st.dictionaries(st.sampled_from(REQUEST_FIELDS), JSON, max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_spoiled_request_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        body = Body(json.dumps(fields).encode())
        WORKERS_AI.relay_request(body, "x")
        WORKERS_AI.write_request(WORKERS_AI.read_request(body), Model(name="x"))
    except GatewayError as error:
        assert error.status == 400


@given(st.dictionaries(st.sampled_from(ANSWER_FIELDS), JSON, max_size=4), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_spoiled_answer_is_read_or_is_an_error_of_ours(fields: dict[str, Any], whole: bool) -> None:
    data = json.dumps(fields).encode()
    reader = WORKERS_AI.reader(whole)
    try:
        events = reader.feed(data if whole else b"data: " + data + b"\n\ndata: [DONE]\n\n") + reader.close()
        writer = WORKERS_AI.writer(whole, Chat(model="m", messages=()))
        for event in events:
            writer.write(event)
        writer.close()
    except GatewayError:
        pass
    WORKERS_AI.summarize(data, True)
    WORKERS_AI.summarize(b"data: " + data + b"\n\n", False)
