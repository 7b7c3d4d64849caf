"""Cloudflare's SDK on `/ai/run`, as the matrix drives it: Anthropic's models speak messages there, platform models the
native form, all others chat completions (data-plane 4.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cloudflare

from sdk.python.anthropic_messages import ADAPTIVE, BUDGET, ROOM
from sdk.python.caller import Called, Errors, Place, Question, Told
from sdk.python.openai_chat import content, function_tool

Values = Iterable[dict[str, Any]]


class CloudflareRun:
    name = "cloudflare"
    errors = Errors(
        unknown=cloudflare.NotFoundError,
        bad=cloudflare.BadRequestError,
        throttled=cloudflare.RateLimitError,
        unauthenticated=cloudflare.AuthenticationError,
    )
    stopped, called = "end", "calls"  # three dialects' words, made one below
    sees_thoughts = False

    def __init__(self, client: cloudflare.Cloudflare, account: str) -> None:
        self._client = client
        self._account = account

    def ask(self, model: str, question: Question) -> Told:
        body = _body(model, question)
        answer: Any = self._run(self._client.ai.run, model, body)
        if _is_messages(model):
            return _message(body["messages"], answer["content"], answer["stop_reason"], answer["usage"])
        if model.startswith("@cf/"):
            said = answer["response"]  # an object where a form was asked for
            text = said if isinstance(said, str) else json.dumps(said)
            return _native(body["messages"], text, answer.get("tool_calls"), answer["usage"])
        (choice,) = answer["choices"]
        return _chat(body["messages"], choice["message"], choice["finish_reason"], answer["usage"])

    def stream(self, model: str, question: Question) -> Told:
        body = _body(model, question) | {"stream": True}
        if not _is_messages(model) and not model.startswith("@cf/"):
            body["stream_options"] = {"include_usage": True}
        with self._run(self._client.ai.with_streaming_response.run, model, body) as answer:
            values = list(_values(answer.iter_lines()))
        if _is_messages(model):
            return _streamed_message(body["messages"], values)
        if model.startswith("@cf/"):
            calls = [call for value in values for call in value.get("tool_calls") or ()]
            text = "".join(value.get("response") or "" for value in values)
            return _native(body["messages"], text, calls, values[-1]["usage"])
        return _streamed_chat(body["messages"], values)

    def _run(self, run: Any, model: str, body: dict[str, Any]) -> Any:
        """The SDK has a parameter for each field of the native form; the others are beside them."""
        return run(model, account_id=self._account, messages=body["messages"], extra_body=body)

    def answered(self, told: Told, outcomes: Sequence[str]) -> tuple[Any, ...]:
        pairs = list(zip(told.calls, outcomes, strict=True))
        if isinstance(told.turns[-1]["content"], list):
            results = [{"type": "tool_result", "tool_use_id": call.id, "content": said} for call, said in pairs]
            return (*told.turns, {"role": "user", "content": results})
        return (*told.turns, *({"role": "tool", "tool_call_id": call.id, "content": said} for call, said in pairs))

    def parse(self, model: str, question: Question) -> Place:
        """It has no helper of its own."""
        return Place.model_validate_json(self.ask(model, question).text)

    def blunder(self, model: str) -> None:
        turns: Any = [{"role": "user", "content": "hello"}]
        self._client.ai.run(
            model, account_id=self._account, messages=turns, extra_body={"temperature": "hot", "max_tokens": 9}
        )

    def dialect_of(self, model: str) -> str:
        return "messages" if _is_messages(model) else "chat"

    def with_token(self, token: str) -> CloudflareRun:
        return CloudflareRun(self._client.with_options(api_token=token), self._account)

    def retry_after(self, error: Any) -> str | None:
        found: str | None = error.response.headers.get("retry-after")
        return found


def _is_messages(model: str) -> bool:
    return model.startswith("anthropic/")


def _body(model: str, question: Question) -> dict[str, Any]:
    messages = [*question.turns]
    if _is_messages(model):
        return {"messages": messages + _said_to_claude(question), **_given_to_claude(model, question)}
    if question.text:
        messages.append({"role": "user", "content": content(question)})
    body: dict[str, Any] = {"messages": messages}
    if question.tools:
        body["tools"] = [function_tool(function) for function in question.tools]
    if question.schema is not None:
        held: Any = {"name": "place", "schema": question.schema, "strict": True}
        # The native form has the schema itself in that place (data-plane 4.7).
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": question.schema if model.startswith("@cf/") else held,
        }
    if question.thinks:
        body["reasoning_effort"] = "low"
    if question.room is not None:
        body |= {"max_tokens": question.room, "temperature": 0}
    return body


def _said_to_claude(question: Question) -> list[dict[str, Any]]:
    if not question.text:
        return []
    parts: list[dict[str, Any]] = [{"type": "text", "text": question.text}]
    if question.image is not None:
        source = {"type": "base64", "media_type": "image/png", "data": question.image}
        parts.insert(0, {"type": "image", "source": source})
    return [{"role": "user", "content": parts}]


def _given_to_claude(model: str, question: Question) -> dict[str, Any]:
    given: dict[str, Any] = {"max_tokens": ROOM}
    if question.tools:
        given["tools"] = [
            {"name": function.name, "description": function.description, "input_schema": function.parameters}
            for function in question.tools
        ]
    if question.schema is not None:
        given["output_config"] = {"format": {"type": "json_schema", "schema": question.schema}}
    if question.thinks:
        budget = {"type": "enabled", "budget_tokens": BUDGET}
        given["thinking"] = {"type": "adaptive"} if model.endswith(ADAPTIVE) else budget
    return given


def _values(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line[6:])


def _chat(turns: list[Any], message: dict[str, Any], ending: str, usage: dict[str, Any]) -> Told:
    calls = message.get("tool_calls") or ()
    return Told(
        text=message.get("content") or "",
        turns=(*turns, message),
        ending={"stop": "end", "tool_calls": "calls"}.get(ending, ending),
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        calls=tuple(_called(call["id"], call["function"]) for call in calls),
        thought=message.get("reasoning_content") or "",
        thinking_tokens=(usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    )


def _called(call_id: str, function: dict[str, Any]) -> Called:
    return Called(call_id, function["name"], json.loads(function["arguments"]))


def _streamed_chat(turns: list[Any], values: list[dict[str, Any]]) -> Told:
    message: dict[str, Any] = {"role": "assistant", "content": "", "reasoning_content": ""}
    calls: dict[int, dict[str, Any]] = {}
    details: list[Any] = []
    ending = ""
    usage: dict[str, Any] = {}
    for value in values:
        usage = value.get("usage") or usage
        for choice in value["choices"]:
            ending = choice.get("finish_reason") or ending
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            details += delta.get("reasoning_details") or ()
            for piece in delta.get("tool_calls") or ():
                call = calls.setdefault(piece["index"], {"type": "function", "function": {"name": "", "arguments": ""}})
                call["id"] = piece.get("id") or call["id"]
                for name, text in piece["function"].items():
                    call["function"][name] += text or ""
    if calls:
        message["tool_calls"] = [*calls.values()]
    if details:
        message["reasoning_details"] = details
    if not message["reasoning_content"]:
        del message["reasoning_content"]
    return _chat(turns, message, ending, usage)


def _message(turns: list[Any], blocks: list[Any], ending: str, usage: dict[str, Any]) -> Told:
    used = [block for block in blocks if block["type"] == "tool_use"]
    return Told(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        turns=(*turns, {"role": "assistant", "content": blocks}),
        ending={"end_turn": "end", "tool_use": "calls"}.get(ending, ending),
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        calls=tuple(Called(block["id"], block["name"], block["input"]) for block in used),
        thought="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
    )


def _streamed_message(turns: list[Any], values: list[dict[str, Any]]) -> Told:
    blocks: list[dict[str, Any]] = []
    ending = ""
    usage: dict[str, Any] = {}
    for value in values:
        if value["type"] == "message_start":
            usage |= value["message"]["usage"]
        elif value["type"] == "content_block_start":
            blocks.append({**value["content_block"], "json": ""})
        elif value["type"] == "content_block_delta":
            for name, piece in value["delta"].items():
                if name != "type":
                    place = {"partial_json": "json"}.get(name, name)
                    blocks[-1][place] = blocks[-1].get(place, "") + piece
        elif value["type"] == "message_delta":
            ending = value["delta"]["stop_reason"]
            usage |= value["usage"]
    for block in blocks:
        text = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(text or "{}")
    return _message(turns, blocks, ending, usage)


def _native(turns: list[Any], text: str, calls: Any, usage: dict[str, Any]) -> Told:
    """Its calls have no ids."""
    made = [Called(call.get("id") or call["name"], call["name"], call["arguments"]) for call in calls or ()]
    sent = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
        for call in made
    ]
    return Told(
        text=text,
        turns=(*turns, {"role": "assistant", "content": text, **({"tool_calls": sent} if sent else {})}),
        ending="calls" if made else "end",
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        calls=tuple(made),
    )
