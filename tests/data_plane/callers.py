"""How each of the four dialects asks, is refused, is told of an error in the middle; and the providers they reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec

CHAT, RESPONSES, MESSAGES, GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "gemini"
BEDROCK, COHERE = "bedrock_converse", "cohere_chat"
CALLERS = (CHAT, RESPONSES, MESSAGES, GEMINI)
_PATHS = {CHAT: "v1/chat/completions", RESPONSES: "v1/responses", MESSAGES: "v1/messages"}

# For each dialect a provider that speaks it and no other.
AT = {
    CHAT: "chatty/gpt-4o",
    RESPONSES: "responsive/gpt-5.5",
    MESSAGES: "anthropic/claude-haiku-4.5",
    GEMINI: "google/gemini-2.5-flash",
    BEDROCK: "aws-bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0",
    COHERE: "cohere/command-a-03-2025",
}
OURS = 2005

# The pair of AWS's own documentation.
AWS_KEYS = (
    '{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","secretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",'
    '"region":"us-east-1"}'
)
SECRETS = (b"sk-openai-test", b"sk-ant-test", b"google-test-key", b"cohere-test-key", b"wJalrXUtnFEMI")


def providers(directory: Path, base_url: str, *, after: str = "") -> str:
    """A file that declares all of them at one address. `after`: what OpenAI's dialects have below it."""
    keys = {"google-ai-studio": "google-test-key", "cohere": "cohere-test-key", "aws-bedrock": AWS_KEYS}
    places = {"chatty": after, "responsive": after, "openai": after}
    dialects = {"chatty": CHAT, "responsive": RESPONSES}
    tables = []
    for slug in ("openai", "anthropic", *dialects, *keys):
        lines = [
            f"[providers.{slug}]",
            f'base_url = "{base_url}{places.get(slug, "")}"',
            "allow_private_address = true",
        ]
        if slug in dialects:
            lines += [f'dialect = "{dialects[slug]}"', 'credential = "env:OPENAI_API_KEY"']
        if slug in keys:
            (directory / slug).write_text(keys[slug])
            lines.append(f'credential = "file:{directory / slug}"')
        tables.append("\n".join(lines))
    file = directory / "providers.toml"
    file.write_text("\n".join(tables) + "\n")
    return str(file)


def path(caller: str, model: str, stream: bool = False) -> str:
    if caller != GEMINI:
        return _PATHS[caller]
    return f"v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")


def turn(caller: str, text: str, role: str = "user") -> dict[str, Any]:
    if caller == GEMINI:
        return {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]}
    return {"role": role, "content": text}


def asked(caller: str, model: str, *turns: Any, stream: bool = False, **more: Any) -> dict[str, Any]:
    """`turns` in the dialect's own form; a string is the user's."""
    said = [turn(caller, each) if isinstance(each, str) else each for each in turns]
    if caller == GEMINI:
        return {"contents": said, **more}
    body: dict[str, Any] = {"model": model, "stream": stream, **more}
    if caller == RESPONSES:
        return {"input": said, "store": False, **body}
    return {"messages": said, "max_tokens": 300, **body}


async def ask(
    gateway: Any,
    caller: str,
    model: str,
    *turns: Any,
    stream: bool = False,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> httpx.Response:
    body = asked(caller, model, *turns, stream=stream, **more)
    answer: httpx.Response = await gateway.post(path(caller, model, stream), body, headers=headers)
    return answer


def refusal(caller: str, answer: httpx.Response) -> tuple[int, str]:
    """Code and message of an error that we wrote, its shape checked (data-plane 5.1)."""
    found = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert found["success"] is False
    (problem,) = found["errors"]
    error = found["error"]
    assert error["message"] == problem["message"]
    if caller == MESSAGES:
        assert found["type"] == "error" and error["type"].endswith(("_error", "_large"))
        assert found["request_id"] == answer.headers["cf-aig-request-id"]
    elif caller == GEMINI:
        assert next(iter(found)) == "error"
        assert error["code"] == answer.status_code and error["status"].isupper()
    else:
        assert set(error) == {"message", "type", "param", "code"} and error["code"] == str(problem["code"])
    return problem["code"], problem["message"]


def param(caller: str, answer: httpx.Response) -> str | None:
    """The field that a refusal names, where the dialect has a place for that."""
    found = answer.json()["error"]
    if caller in (CHAT, RESPONSES):
        return None if found["param"] is None else str(found["param"])
    return None


def events_of(text: str) -> list[tuple[str | None, Any]]:
    """A stream's events, each of them whole."""
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name = next((line[7:] for line in lines if line.startswith("event: ")), None)
            (data,) = (line[6:] for line in lines if line.startswith("data: "))
            events.append((name, data if data == "[DONE]" else msgspec.json.decode(data)))
    return events


def in_band(caller: str, text: str) -> str:
    """The message of the error that a stream ends with; and that nothing says that the answer is complete."""
    events = events_of(text)
    names = {name for name, _ in events}
    name, last = events[-1]
    if caller == MESSAGES:
        assert name == "error" == last["type"] and last["error"]["type"] and "message_stop" not in names
    elif caller == RESPONSES:
        assert "response.completed" not in names
        (last,) = ({"error": event.get("error") or event} for name, event in events if name == "error")
    else:
        assert "[DONE]" not in (event for _, event in events)
    return str(last["error"]["message"])


def complete(caller: str, text: str) -> bool:
    """Whether a stream tells its caller that this was all."""
    name, last = events_of(text)[-1]
    if caller == GEMINI:
        return bool(last["candidates"][0].get("finishReason"))
    return (name or last) == {CHAT: "[DONE]", RESPONSES: "response.completed", MESSAGES: "message_stop"}[caller]


def nothing_secret(answer: httpx.Response) -> None:
    for secret in SECRETS:
        assert secret not in answer.content
