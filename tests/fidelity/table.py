"""What becomes of each feature on the way from every caller's dialect to every provider's, and back: seen, not said."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from isthmus.core.chat.event import Event
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, CustomTool, Opaque
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect
from isthmus.wire.registry import DIALECTS

CALLERS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini", "workers_ai", "openai_completions")
TARGETS = (
    "openai_chat",
    "openai_chat_compatible",
    "openai_responses",
    "anthropic_messages",
    "gemini",
    *(name for name in ("bedrock_converse", "cohere_chat") if name in DIALECTS),
)
HAVE_CUSTOM = ("openai_chat", "openai_responses")
SIGNING = {
    "openai": ("openai_responses",),
    "anthropic": ("anthropic_messages", "bedrock_converse"),
    "google": ("gemini",),
}
CARRIED, EMULATED, LOST, REFUSED, UNSAID, SILENT = "✓", "≈", "✗", "400", "", "SILENT"
MODELS = {
    "anthropic_messages": Model(name="claude-sonnet-4-5", max_output_tokens=64000, thinking="budget"),
    "gemini": Model(name="gemini-2.5-pro", max_output_tokens=65536, thinking="budget"),
    "bedrock_converse": Model(name="us.anthropic.claude-sonnet-4-5-v1:0", max_output_tokens=64000, thinking="budget"),
}


def model(dialect: str) -> Model:
    return MODELS.get(dialect, Model(name="a-model"))


def asked_by(caller: str, feature: Any) -> Chat | None:
    """The feature as this caller says it; None where it cannot."""
    dialect = DIALECTS[caller]
    try:
        said = dialect.write_request(feature.chat, model(caller))
    except Unsupported:
        return None
    try:
        asked = dialect.read_request(Body(said.body))
    except (Unsupported, InvalidRequest):
        return None
    # What our own writer asks for beyond the feature is not this caller's wish.
    asked = msgspec.structs.replace(asked, unplaced=(), keep_reasoning=feature.chat.keep_reasoning)
    return None if said.fetch or feature.find(asked) is None else asked


def request_cell(caller: str, target: str, feature: Any) -> str:
    asked = asked_by(caller, feature)
    if asked is None:
        return UNSAID
    dialect = DIALECTS[target]
    try:
        written = dialect.write_request(asked, model(target))
    except Unsupported:
        return REFUSED
    fates = {note.fate for note in written.notes}
    if written.fetch:
        return EMULATED
    back = dialect.read_request(Body(written.body))
    if feature.find(back) == feature.find(asked):
        return CARRIED if "lost" not in fates else LOST
    return LOST if "lost" in fates else EMULATED if "emulated" in fates else SILENT


def answered_by(target: str, feature: Any, whole: bool) -> list[Event]:
    """The feature as this provider's answer says it."""
    dialect = DIALECTS[target]
    return read(dialect, written(dialect, feature.events, feature.chat(not whole), whole), whole)


def answer_cell(caller: str, target: str, feature: Any, whole: bool) -> str:
    if feature.origin is not None and target not in SIGNING[feature.origin]:
        return UNSAID
    if any(isinstance(tool, CustomTool) for tool in feature.asked.get("tools", ())) and caller not in HAVE_CUSTOM:
        return UNSAID
    came = answered_by(target, feature, whole)
    wanted = feature.find(came)
    if wanted is None or (feature.again is None and wanted != feature.find(feature.events)):
        return UNSAID
    dialect = DIALECTS[caller]
    given = written(dialect, came, feature.chat(not whole), whole)
    if feature.again is not None:
        if not whole:
            return answer_cell(caller, target, feature, True)
        again = feature.again(dialect.read_request(Body(next_turn(caller, given))))
        return CARRIED if held(again or ()) == held(signature for signature, *_ in signed(wanted)) else LOST
    return CARRIED if feature.find(read(dialect, given, whole)) == wanted else LOST


def held(signatures: Iterable[Opaque]) -> list[tuple[str, str]]:
    """OpenAI's without the item's id, which is ours where we wrote the item."""
    return [
        (each.origin, json.loads(each.data)["encrypted_content"] if each.origin == "openai" else each.data)
        for each in signatures
    ]


def signed(wanted: Any) -> Iterable[tuple[Any, ...]]:
    return wanted if isinstance(wanted, list) else [(wanted,)]


def written(dialect: Dialect, events: Iterable[Event], chat: Chat, whole: bool) -> bytes:
    writer = dialect.writer(whole, chat)
    return b"".join(writer.write(event) for event in events) + writer.close()


def read(dialect: Dialect, answer: bytes, whole: bool) -> list[Event]:
    reader = dialect.reader(whole)
    return [*reader.feed(answer), *reader.close()]


def next_turn(caller: str, answer: bytes) -> bytes:
    """The caller's next request, with the answer in it as it came."""
    came = json.loads(answer)
    schema = {"type": "object", "properties": {}}
    if caller == "openai_chat":
        messages = [{"role": "user", "content": "Hello"}, came["choices"][0]["message"]]
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": "so"}
            for call in came["choices"][0]["message"].get("tool_calls") or ()
        ]
        return json.dumps({"model": "m", "messages": messages}).encode()
    if caller == "openai_responses":
        items = [{"role": "user", "content": "Hello"}, *came["output"]]
        items += [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "so"}
            for item in came["output"]
            if item["type"] == "function_call"
        ]
        return json.dumps({"model": "m", "input": items}).encode()
    if caller == "anthropic_messages":
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "so"}
            for block in came["content"]
            if block["type"] == "tool_use"
        ]
        messages = [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": came["content"]},
            {"role": "user", "content": [*results, {"type": "text", "text": "And?"}]},
        ]
        return json.dumps({"model": "m", "max_tokens": 9, "messages": messages}).encode()
    if caller == "gemini":
        content = came["candidates"][0]["content"]
        results = [
            {
                "functionResponse": {
                    "id": part["functionCall"].get("id"),
                    "name": part["functionCall"]["name"],
                    "response": {},
                }
            }
            for part in content["parts"]
            if "functionCall" in part
        ]
        contents = [
            {"role": "user", "parts": [{"text": "Hello"}]},
            content,
            {"role": "user", "parts": [*results, {"text": "And?"}]},
        ]
        return json.dumps({"contents": contents}).encode()
    if caller == "openai_completions":
        return json.dumps({"prompt": "Hello" + came["choices"][0]["text"]}).encode()
    message = {"role": "assistant", "content": came.get("response") or ""}
    tools = [{"name": "weather", "parameters": schema}]
    return json.dumps({"messages": [{"role": "user", "content": "Hello"}, message], "tools": tools}).encode()
