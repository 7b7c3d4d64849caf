"""Thinking and its signatures on their way through callers of Chat Completions, and back to who made them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.core.chat.event import Event, Finished, ReasoningDelta, Started, TextDelta
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Message, Opaque, Part, Reasoning, Text, ToolCall
from isthmus.wire.body import Body
from isthmus.wire.framing.sse import ServerSentEvents
from isthmus.wire.openai_chat import DEEPSEEK_CHAT, OPENAI_CHAT, OPENAI_CHAT_COMPATIBLE, OPENROUTER_CHAT, OpenAIChat
from isthmus.wire.openai_chat.options import Options
from isthmus.wire.sealed import MARK, seal, seal_id

CLAUDES = Opaque(origin="anthropic", data="EqQB/+=")
OPENAIS = Opaque(origin="openai", data='{"id":"rs_1","encrypted_content":"gAAA"}')
GOOGLES = Opaque(origin="google", data="sig==")
STARTED = Started(id="x", model="m")
HELLO = Message(role="user", parts=(Text(text="Hello"),))
THINKS = OpenAIChat(Options(thinking_field="reasoning_content"))
GOOGLE = OpenAIChat(Options(signatures="google"))

ANSWERS: list[tuple[list[Event], list[Part]]] = [
    ([ReasoningDelta(text="a"), ReasoningDelta(text="b")], [Reasoning(text="ab")]),
    (
        [ReasoningDelta(text="a"), ReasoningDelta(text="b"), ReasoningDelta(signature=CLAUDES)],
        [Reasoning(text="ab", signature=CLAUDES)],
    ),
    (
        [
            ReasoningDelta(text="a", signature=CLAUDES),
            ReasoningDelta(signature=CLAUDES, redacted=True),
            ReasoningDelta(text="c", signature=OPENAIS),
        ],
        [
            Reasoning(text="a", signature=CLAUDES),
            Reasoning(text="", signature=CLAUDES, redacted=True),
            Reasoning(text="c", signature=OPENAIS),
        ],
    ),
    (
        [
            ReasoningDelta(text="a"),
            ReasoningDelta(signature=CLAUDES, redacted=True),
            ReasoningDelta(text="b"),
        ],
        [Reasoning(text="a"), Reasoning(text="", signature=CLAUDES, redacted=True), Reasoning(text="b")],
    ),
    ([ReasoningDelta(signature=OPENAIS)], [Reasoning(text="", signature=OPENAIS)]),
]


def gathered(stream: bytes) -> dict[str, Any]:
    """A message as a caller puts it together from a stream: texts joined, lists too."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for _, data in ServerSentEvents().feed(stream)[:-1]:
        for choice in msgspec.json.decode(data)["choices"]:
            for name, value in choice["delta"].items():
                if name in ("content", "reasoning_content"):
                    message[name] = message.get(name, "") + value
                elif name == "reasoning_details":
                    message[name] = message.get(name, []) + value
    return message


def answered(events: list[Event]) -> list[dict[str, Any]]:
    """The message of the whole and of the streamed answer."""
    chat = Chat(model="m", messages=(), include_usage=False)
    everything = [STARTED, *events, TextDelta(text="So."), Finished(reason="stop")]
    streamed, whole = OPENAI_CHAT.writer(False, chat), OPENAI_CHAT.writer(True, chat)
    stream = b"".join([*[streamed.write(event) for event in everything], streamed.close()])
    for event in everything:
        whole.write(event)
    return [gathered(stream), msgspec.json.decode(whole.close())["choices"][0]["message"]]


def read(*messages: dict[str, Any]) -> tuple[Message, ...]:
    hello = {"role": "user", "content": "Hello"}
    return OPENAI_CHAT.read_request(Body(msgspec.json.encode({"messages": [hello, *messages]}))).messages[1:]


@pytest.mark.parametrize(("events", "blocks"), ANSWERS)
def test_a_caller_gives_back_what_was_thought(events: list[Event], blocks: list[Part]) -> None:
    for message in answered(events):
        assert read(message) == (Message(role="assistant", parts=(*blocks, Text(text="So."))),)


def test_without_a_signature_a_relay_knows_it_for_ours() -> None:
    for message in answered(ANSWERS[0][0]):
        (mark,) = message["reasoning_details"]
        assert mark == {"type": "reasoning.encrypted", "data": "isthmus-sealed_none_", "index": 0}
        asked = {"model": "m", "messages": [{"role": "user", "content": "?"}, message]}
        (thought,) = (part for part in OPENAI_CHAT.read_request(body_of(asked)).messages[1].parts if is_thought(part))
        assert thought.text == message["reasoning_content"] and thought.signature is None
        for dialect, field in ((OPENAI_CHAT_COMPATIBLE, False), (DEEPSEEK_CHAT, True)):
            passed = msgspec.json.decode(dialect.relay_request(body_of(asked), "x").body)["messages"][1]
            assert ("reasoning_content" in passed) is field and "reasoning_details" not in passed


def body_of(asked: dict[str, Any]) -> Body:
    return Body(msgspec.json.encode(asked))


def is_thought(part: Part) -> bool:
    return isinstance(part, Reasoning)


def turn(*parts: Part) -> Chat:
    return Chat(model="m", messages=(HELLO, Message(role="assistant", parts=(*parts, Text(text="So.")))))


def written(chat: Chat, dialect: OpenAIChat) -> tuple[dict[str, Any], dict[str, str]]:
    answer = dialect.write_request(chat, Model(name="x"))
    return msgspec.json.decode(answer.body)["messages"][1], {note.field: note.why for note in answer.notes}


ELSEWHERE = {"messages.reasoning": "it was signed by another provider"}


def test_where_thinking_goes_back_to() -> None:
    signed, plain = turn(Reasoning(text="Hm.", signature=CLAUDES)), turn(Reasoning(text="Hm."))
    said = {"role": "assistant", "content": "So."}
    assert written(signed, OPENAI_CHAT) == (said, ELSEWHERE)
    assert written(plain, OPENAI_CHAT) == (said, {"messages.reasoning": "this provider takes no thinking back"})
    bare = {"messages.reasoning": "its text is given without what proves it"}
    assert written(signed, THINKS) == (said | {"reasoning_content": "Hm."}, bare)
    assert written(plain, THINKS) == (said | {"reasoning_content": "Hm."}, {})
    redacted = turn(Reasoning(text="Hm."), Reasoning(text="", signature=CLAUDES, redacted=True))
    assert written(redacted, THINKS) == (said | {"reasoning_content": "Hm."}, ELSEWHERE)


def test_a_turn_of_calls_is_not_refused_for_want_of_thinking() -> None:
    call = ToolCall(id="c", name="f", arguments="{}")
    assert written(turn(call), DEEPSEEK_CHAT)[0]["reasoning_content"] == " "
    assert written(turn(Reasoning(text="Hm."), call), DEEPSEEK_CHAT)[0]["reasoning_content"] == "Hm."
    assert "reasoning_content" not in written(turn(), DEEPSEEK_CHAT)[0]
    assert "reasoning_content" not in written(turn(call), THINKS)[0]


ITEMS = [
    {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1", "index": 1},
]
ROUTED = Opaque(origin="openrouter", data=msgspec.json.encode(ITEMS).decode())


def chunk(reason: str | None = None, **said: Any) -> bytes:
    choice = {"index": 0, "delta": said, "finish_reason": reason}
    return b"data: " + msgspec.json.encode({"id": "x", "model": "m", "choices": [choice]}) + b"\n\n"


def test_openrouters_own_items_are_kept_whole() -> None:
    pieces: list[dict[str, Any]] = [
        {"type": "reasoning.text", "text": "H", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "text": "m.", "index": 0},
        {"type": "reasoning.text", "signature": "s", "index": 0},
        ITEMS[1],
    ]
    stream = b"".join(
        [
            chunk(reasoning="H", reasoning_details=pieces[:1]),
            chunk(reasoning="m.", reasoning_details=pieces[1:2]),
            chunk(reasoning_details=pieces[2:]),
            chunk(content="So."),
            chunk("stop"),
        ]
    )
    reader = OPENROUTER_CHAT.reader(False)
    *events, signed, text, _ = reader.feed(stream)
    assert events == [STARTED, ReasoningDelta(text="H"), ReasoningDelta(text="m.")]
    assert isinstance(signed, ReasoningDelta)
    assert (signed.text, signed.redacted) == ("", False)
    assert signed.signature is not None and signed.signature.origin == "openrouter"
    assert msgspec.json.decode(signed.signature.data) == ITEMS
    assert text == TextDelta(text="So.")
    message, notes = written(turn(Reasoning(text="Hm.", signature=signed.signature)), OPENROUTER_CHAT)
    assert message == {"role": "assistant", "content": "So.", "reasoning": "Hm.", "reasoning_details": ITEMS}
    assert notes == {}
    assert written(turn(Reasoning(text="Hm.", signature=signed.signature)), OPENAI_CHAT)[1] == ELSEWHERE


def test_openrouters_items_in_a_callers_message() -> None:
    (message,) = read({"role": "assistant", "content": "So.", "reasoning": "Hm.", "reasoning_details": ITEMS})
    assert message.parts == (Reasoning(text="Hm.", signature=ROUTED), Text(text="So."))
    (hidden,) = read({"role": "assistant", "content": "So.", "reasoning": "Hm.", "reasoning_details": ITEMS[1:]})
    alone = Opaque(origin="openrouter", data=msgspec.json.encode(ITEMS[1:]).decode())
    assert hidden.parts[:2] == (Reasoning(text="Hm."), Reasoning(text="", signature=alone, redacted=True))


def test_text_that_nothing_proves_needs_no_signature() -> None:
    items = [{"type": "reasoning.text", "text": "Hm.", "index": 0}]
    reader = OPENROUTER_CHAT.reader(False)
    events = reader.feed(chunk(reasoning_details=items) + chunk("stop"))
    assert events == [STARTED, ReasoningDelta(text="Hm."), Finished(reason="stop")]


@pytest.mark.parametrize("data", ["", "{", "3", "[3]", "{}", "[" * 5000, "\x00"])
def test_what_comes_back_spoiled_is_left_out(data: str) -> None:
    spoiled = Reasoning(text="Hm.", signature=Opaque(origin="openrouter", data=data))
    assert written(turn(spoiled), OPENROUTER_CHAT)[0] == {"role": "assistant", "content": "So.", "reasoning": "Hm."}


@pytest.mark.parametrize("items", [[{}], [{"type": 3, "text": 4}], [{"type": "reasoning.encrypted", "data": 3}]])
def test_odd_items_are_no_error(items: list[dict[str, Any]]) -> None:
    read({"role": "assistant", "content": "So.", "reasoning_details": items})
    reader = OPENROUTER_CHAT.reader(False)
    assert reader.feed(chunk(reasoning_details=[*items, 3]) + chunk("stop"))[-1] == Finished(reason="stop")


def test_googles_signatures_go_back_to_google() -> None:
    call = ToolCall(id="c", name="f", arguments="{}", signature=GOOGLES)
    message, notes = written(turn(call), GOOGLE)
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "sig=="}}
    assert notes == {}
    message, notes = written(turn(call), OPENAI_CHAT)
    assert "extra_content" not in message["tool_calls"][0]
    assert message["tool_calls"][0]["id"] == "c"
    assert notes == ELSEWHERE


@pytest.mark.parametrize(
    "call",
    [
        {"id": seal_id("c", GOOGLES)},
        {"id": "c", "extra_content": {"google": {"thought_signature": "sig=="}}},
    ],
)
def test_signatures_of_calls_come_back_in_either_place(call: dict[str, Any]) -> None:
    called = {**call, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = read(
        {"role": "assistant", "tool_calls": [called]}, {"role": "tool", "tool_call_id": call["id"], "content": "x"}
    )
    assert messages[0].parts == (ToolCall(id="c", name="f", arguments="{}", signature=GOOGLES),)
    assert messages[1].parts[0].call_id == "c"  # type: ignore[union-attr]


# --- relayed --------------------------------------------------------------------------------------------------------


def relayed(body: bytes, dialect: OpenAIChat = OPENAI_CHAT) -> bytes:
    return dialect.relay_request(Body(body), "m").body


def test_ids_are_opened_and_no_other_byte_changes() -> None:
    sealed = seal_id("call_1", GOOGLES)
    body = '{"model":"m", "messages":[ {"tool_calls":[{"id":"%s"}]},{"tool_call_id": "%s", "x":1.0 }]}'
    assert relayed((body % (sealed, sealed)).encode()) == (body % ("call_1", "call_1")).encode()


def test_thinking_that_was_signed_elsewhere_is_left_out() -> None:
    items = [
        {"type": "reasoning.text", "text": "Hm.", "signature": seal(CLAUDES, "openrouter"), "index": 0},
        {"type": "reasoning.encrypted", "data": seal(OPENAIS, "openrouter"), "index": 1},
    ]
    message = {"role": "assistant", "content": "So.", "reasoning_content": "Hm.", "reasoning_details": items}
    head = b'{ "model":"m","temperature": 1.0,"messages":'
    body = head + msgspec.json.encode([message]) + b', "top_p":1}'
    said = {"role": "assistant", "content": "So."}
    assert relayed(body) == head + msgspec.json.encode([said]) + b', "top_p":1}'
    assert MARK.encode() not in relayed(body, OPENROUTER_CHAT)
    kept = relayed(body, THINKS)
    assert msgspec.json.decode(kept)["messages"] == [said | {"reasoning_content": "Hm."}]


def test_openrouters_own_items_are_passed_on() -> None:
    message = {"role": "assistant", "content": MARK, "reasoning_details": ITEMS}
    body = msgspec.json.encode({"model": "m", "messages": [message]})
    assert relayed(body, OPENROUTER_CHAT) == body


@pytest.mark.parametrize("messages", ["3", "[3]", '[{"reasoning_details":3}]', '[{"reasoning_details":[3]}]', "null"])
def test_odd_messages_are_passed_on(messages: str) -> None:
    body = f'{{"model":"m","messages":{messages},"user":"{MARK}"}}'.encode()
    assert relayed(body, OPENROUTER_CHAT) == body
