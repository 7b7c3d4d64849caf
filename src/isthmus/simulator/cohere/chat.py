"""Chat v2, answered: a whole answer, or its stream of events."""

from __future__ import annotations

from typing import Any

from isthmus.simulator.cohere import request as shapes
from isthmus.simulator.cohere import rules
from isthmus.simulator.cohere.answer import ChatAnswer
from isthmus.simulator.cohere.request import ChatRequest
from isthmus.simulator.cohere.vendor import COHERE, known_model
from isthmus.simulator.exchange import Answer, Exchange, Rejection, spoiled, sse, streamed, whole
from isthmus.simulator.models import Model
from isthmus.simulator.openai.rules import prompt_tokens
from isthmus.simulator.script import Ask, Tool, heard, write
from isthmus.simulator.shape import read_shape

_THINKING_TOKENS = 128


def respond(exchange: Exchange) -> Answer:
    request: ChatRequest = read_shape(exchange.raw, ChatRequest)
    model = known_model(exchange, request.model)
    rules.check(request, model)
    ask = _ask(exchange, request, model)
    tokens = prompt_tokens(exchange, model, _blocks(exchange.raw))
    if tokens[0] > model.context_tokens:
        raise Rejection(
            f"too many tokens: total number of tokens in the prompt cannot exceed {model.context_tokens} - received "
            f"{tokens[0]}. Try using a shorter prompt, or enabling prompt truncating."
        )
    answer = ChatAnswer(exchange, request, write(ask, exchange.world.seed), tokens)
    if not request.stream or exchange.fault.kind == "not_streamed":
        return whole(COHERE, exchange, answer.whole())
    events = spoiled(answer.events(), exchange.fault, lambda _: [_error(exchange)])
    return streamed(COHERE, exchange, events)


def _error(exchange: Exchange) -> bytes:
    """An error has no event of its own: the message ends with it."""
    said = {"finish_reason": "ERROR", "error": COHERE.trouble(exchange).message}
    return sse({"type": "message-end", "delta": said}, "message-end")


def _blocks(raw: dict[str, Any]) -> list[Any]:
    return [*(raw.get("tools") or ()), *(raw.get("documents") or ()), *raw["messages"]]


def _ask(exchange: Exchange, request: ChatRequest, model: Model) -> Ask:
    text, answers = heard(map(_said, request.messages))
    text = exchange.settle(text)
    wanted = request.response_format
    budget = request.thinking.token_budget if request.thinking is not None else None
    return Ask(
        text=text,
        answers=answers,
        results=tuple(_text(message) for message in last_results(request.messages)),
        tools=tuple(Tool(name=f.name, schema=f.parameters) for f in rules.functions(request)),
        choice={"REQUIRED": "required", "NONE": "none"}.get(request.tool_choice or "", "auto"),
        json_schema=wanted.json_schema if isinstance(wanted, shapes.JsonFormat) else None,
        json_object=isinstance(wanted, shapes.JsonFormat),
        max_tokens=min(request.max_tokens or model.max_output_tokens, model.max_output_tokens),
        stops=tuple(request.stop_sequences or ()),
        reasoning_tokens=min(budget or _THINKING_TOKENS, _THINKING_TOKENS) if rules.thinks(request, model) else 0,
        fault=exchange.fault,
    )


def last_results(messages: list[shapes.ChatMessage]) -> list[shapes.ToolMessage]:
    """The tools' results that the conversation ends with."""
    results: list[shapes.ToolMessage] = []
    for message in reversed(messages):
        if not isinstance(message, shapes.ToolMessage):
            break
        results.insert(0, message)
    return results


def _said(message: shapes.ChatMessage) -> tuple[str, str]:
    """Whose a message is, and the text of it where it is the user's."""
    if isinstance(message, shapes.UserMessage):
        return "user", _text(message)
    return ("model" if isinstance(message, shapes.AssistantMessage) else "other"), ""


def _text(message: shapes.UserMessage | shapes.ToolMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    texts: list[str] = []
    for part in message.content:
        if isinstance(part, shapes.TextContent):
            texts.append(part.text)
        elif isinstance(part, shapes.DocumentContent):
            texts += [str(value) for value in part.document.data.values()]
    return "\n".join(texts)
