"""What Google's own SDK makes of the answers that are written for callers, over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from google import genai
from google.genai import errors, types

from isthmus.core.chat.event import (
    Cited,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import Chat, Citation, HostedToolUse, Opaque, SearchResult
from isthmus.core.chat.usage import Usage
from isthmus.errors import Throttled, Unavailable
from isthmus.wire.body import Body
from isthmus.wire.gemini import DIALECT

ANSWER = (
    Started(id="msg_1", model="claude-opus"),
    ReasoningDelta(text="Hm. "),
    ReasoningDelta(text="Yes."),
    ReasoningDelta(signature=Opaque(origin="anthropic", data="EqQBCkYIBxgC+/=")),
    HostedToolUsed(
        use=HostedToolUse(
            id="s", tool="web_search", input='{"query":"x"}', results=(SearchResult(url="https://a.example"),)
        )
    ),
    TextDelta(text="Ünder "),
    TextDelta(text="way."),
    Cited(citation=Citation(url="https://a.example", title="A", start=0, end=5)),
    ToolCallStarted(index=0, id="toolu_1", name="f"),
    ToolCallDelta(index=0, arguments='{"a":'),
    ToolCallDelta(index=0, arguments="[1,null]}"),
    ToolCallStarted(index=1, id="toolu_2", name="g"),
    Finished(reason="tool_calls"),
    UsageReported(usage=Usage(input_tokens=9, output_tokens=7, reasoning_tokens=3, cache_read_tokens=4)),
)
KEEP_ALIVE = DIALECT.keep_alive


@contextmanager
def served(status: int, body: bytes, content_type: str) -> Iterator[tuple[genai.Client, list[bytes]]]:
    asked: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    client = genai.Client(
        api_key="k",
        http_options=types.HttpOptions(
            base_url=f"http://127.0.0.1:{server.server_port}", retry_options=types.HttpRetryOptions(attempts=1)
        ),
    )
    try:
        yield client, asked
    finally:
        client.close()
        asyncio.run(client.aio.aclose())
        server.shutdown()
        thread.join()
        server.server_close()


def written(events, whole, summary="auto"):
    writer = DIALECT.writer(whole, Chat(model="m", messages=(), summary=summary))
    pieces = [*(writer.write(event) for event in events), writer.close()]
    return b"".join(pieces) if whole else KEEP_ALIVE + KEEP_ALIVE.join(piece for piece in pieces if piece)


def streamed(client, contents="Go."):
    return list(client.models.generate_content_stream(model="m", contents=contents))


def check_last(answer):
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (9, 4, 3)
    assert (usage.cached_content_token_count, usage.total_token_count) == (4, 16)
    candidate = answer.candidates[0]
    assert candidate.finish_reason == types.FinishReason.STOP
    grounding = candidate.grounding_metadata
    assert grounding.web_search_queries == ["x"]
    assert grounding.grounding_chunks[0].web.uri == "https://a.example"
    segment = grounding.grounding_supports[0].segment
    assert (segment.start_index, segment.end_index, segment.text) == (0, 6, "Ünder")


def test_a_whole_answer():
    with served(200, written(ANSWER, True), "application/json") as (client, _):
        answer = client.models.generate_content(model="m", contents="Go.")
    assert answer.text == "Ünder way."
    assert answer.model_version == "claude-opus"
    assert [(call.id, call.name, call.args) for call in answer.function_calls] == [
        ("toolu_1", "f", {"a": [1, None]}),
        ("toolu_2", "g", {}),
    ]
    assert [part.text for part in answer.parts if part.thought] == ["Hm. Yes.", ""]
    check_last(answer)


def test_a_stream_with_keep_alives():
    with served(200, written(ANSWER, False), "text/event-stream") as (client, _):
        chunks = streamed(client)
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    assert "".join(part.text or "" for part in parts if not part.thought) == "Ünder way."
    assert [part.function_call.id for part in parts if part.function_call] == ["toolu_1", "toolu_2"]
    check_last(chunks[-1])


@pytest.mark.parametrize("summary", (None, "auto"))
@pytest.mark.parametrize("whole", (True, False))
def test_the_next_turn_of_a_chat_brings_everything_back(whole, summary):
    body = written(ANSWER, whole, summary)
    with served(200, body, "application/json" if whole else "text/event-stream") as (client, asked):
        chat = client.chats.create(model="m")
        if whole:
            chat.send_message("Go.")
        else:
            list(chat.send_message_stream("Go."))
        result = [
            types.Part.from_function_response(name="f", response={"output": "1"}),
            types.Part.from_function_response(name="g", response={"error": "no"}),
        ]
        if whole:
            chat.send_message(result)
        else:
            list(chat.send_message_stream(result))
    read = DIALECT.read_request(Body(asked[1]))
    assert read.unplaced == ()
    _, turn, first, second = read.messages
    thought, text, *calls = turn.parts
    assert (thought.text, thought.signature) == ("Hm. Yes.", Opaque(origin="anthropic", data="EqQBCkYIBxgC+/="))
    assert text.text == "Ünder way."
    assert [(call.id, call.arguments, call.signature) for call in calls] == [
        ("toolu_1", '{"a":[1,null]}', None),
        ("toolu_2", "{}", None),
    ]
    assert [(message.parts[0].call_id, message.parts[0].is_error) for message in (first, second)] == [
        ("toolu_1", False),
        ("toolu_2", True),
    ]
    relayed = json.loads(DIALECT.relay_request(Body(asked[1]), "gemini-3-flash").body)
    parts = [part for content in relayed["contents"] for part in content["parts"]]
    # What is left is what Google wants to see at calls that Gemini did not make.
    assert {part["thoughtSignature"] for part in parts if "thoughtSignature" in part} == {
        "skip_thought_signature_validator"
    }


def test_an_error():
    error = Throttled("Slow down.", retry_after=2.5)
    with served(429, DIALECT.write_error(error, "r"), "application/json") as (client, _):
        with pytest.raises(errors.ClientError) as raised:
            client.models.generate_content(model="m", contents="Go.")
    assert (raised.value.code, raised.value.status, raised.value.message) == (429, "RESOURCE_EXHAUSTED", "Slow down.")


def test_an_error_in_a_stream():
    events = (*ANSWER[:2], TextDelta(text="On"), Failed(error=Unavailable("It fell over.", status=503)))
    with served(200, written(events, False), "text/event-stream") as (client, _):
        with pytest.raises(errors.ServerError) as raised:
            streamed(client)
    assert (raised.value.code, raised.value.status) == (503, "UNAVAILABLE")


def test_what_the_sdk_sends_is_read_without_loss():
    tools = [types.Tool(function_declarations=[types.FunctionDeclaration(name="f", parameters=SCHEMA)])]
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.5,
        tools=tools,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=512),
        response_mime_type="application/json",
        response_schema={"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "nullable": True}}},
        safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE")],
    )
    picture = types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n\xff\xfe\xfd?>", mime_type="image/png")
    with served(200, written(ANSWER, True), "application/json") as (client, asked):
        client.models.generate_content(model="m", contents=["What?", picture], config=config)
    chat = DIALECT.read_request(Body(asked[0]))
    assert chat.unplaced == ()
    assert (chat.thinking_budget, chat.summary, chat.temperature) == (512, "auto", 0.5)
    assert chat.tools[0].parameters == {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
    assert chat.answer_format.schema == {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}}
    assert chat.messages[1].parts[1].base64 == "iVBORw0KGgr//v0/Pg=="


SCHEMA = types.Schema(type="OBJECT", properties={"n": types.Schema(type="STRING")}, required=["n"])
