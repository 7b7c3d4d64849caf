"""Asks everything of the matrix with the SDK that is first on the path, and prints what it was told, as JSON by caller,
target and cell. Run by `test_older.py` in a process of its own, with an older SDK.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from sdk.python.caller import PIXEL, SCHEMA, TIME, WEATHER, Caller, Function, Question, Told
from sdk.targets import TARGETS, Target

CAPITAL = "What is the capital of France? Answer in one sentence. echo: It is Paris."
ASKED = 'What is the weather in Paris? call get_weather with {"city":"Paris"}'
TWO = 'call get_weather with {"city":"Rome"} and call get_time'
JSON_WANTED = 'Where is France? Answer in JSON. echo: {"continent":"Europe","island":false}'
ROOM, BRIEF = 40, 20

Cells = Iterator[tuple[str, Callable[[], Any]]]


def cells(caller: Caller, target: Target) -> Cells:
    room = ROOM if target.is_local else None
    for way, hear in (("whole", caller.ask), ("stream", caller.stream)):
        yield from _of_a_way(caller, target, way, hear)
    picture = Question(text="echo: a pixel", image=PIXEL, room=room)
    yield "image", lambda: told(caller.ask(target.seeing or target.model, picture))
    yield "parse", lambda: caller.parse(target.model, Question(text=JSON_WANTED, room=room)).model_dump()
    yield "unknown", lambda: caller.ask(f"{target.model}-nonesuch", Question(text="hello", room=room))
    yield "bad-field", lambda: caller.blunder(target.model)
    yield "wrong-token", lambda: caller.with_token("not-the-token").ask(target.model, Question(text="hello"))


def _of_a_way(caller: Caller, target: Target, way: str, hear: Callable[[str, Question], Told]) -> Cells:
    room = ROOM if target.is_local else None

    def with_tools(model: str, text: str, tools: list[Function], outcomes: list[str], thinks: bool = False) -> Any:
        first = hear(model, Question(text=text, tools=tools, room=room, thinks=thinks))
        turns = caller.answered(first, outcomes)
        after = hear(model, Question(turns=turns, tools=tools, room=room and BRIEF, thinks=thinks))
        return {"first": told(first), "after": told(after)}

    wanted = Question(text=JSON_WANTED, schema=SCHEMA, room=room)
    yield f"chat-{way}", lambda: told(hear(target.model, Question(text=CAPITAL, room=room)))
    yield f"tool-{way}", lambda: with_tools(target.model, ASKED, [WEATHER], ["18 degrees"])
    yield f"structured-{way}", lambda: told(hear(target.model, wanted))
    thinking = target.thinking
    if thinking is not None:
        wish = Question(text="hello [[sim: fault=429 retry_after=7]]")
        yield f"two-tools-{way}", lambda: with_tools(target.model, TWO, [WEATHER, TIME], ["warm", "noon"])
        yield f"reasoning-{way}", lambda: told(hear(thinking, Question(text=CAPITAL, thinks=True)))
        yield f"reasoning-goes-on-{way}", lambda: with_tools(thinking, ASKED, [WEATHER], ["18 degrees"], True)
        yield f"throttled-{way}", lambda: hear(target.model, wish)


def told(answer: Told) -> dict[str, Any]:
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in answer.calls]
    return {
        "text": answer.text,
        "ending": answer.ending,
        "input": answer.input_tokens,
        "output": answer.output_tokens,
        "calls": calls,
        "thought": answer.thought,
    }


def outcome(caller: Caller, cell: Callable[[], Any]) -> Any:
    try:
        return cell()
    except Exception as error:
        return {
            "error": {
                "kind": type(error).__name__,
                "message": str(error),
                "status": getattr(error, "status_code", None),
                "retryAfter": caller.retry_after(error) if hasattr(error, "response") else None,
            }
        }


def callers(sdk: str, ai_url: str, token: str) -> list[Caller]:
    if sdk == "anthropic":
        import anthropic

        from sdk.python.anthropic_messages import AnthropicMessages

        return [AnthropicMessages(anthropic.Anthropic(base_url=ai_url, api_key=token, max_retries=0))]
    import openai

    from sdk.python.openai_chat import OpenAIChat
    from sdk.python.openai_responses import OpenAIResponses

    client = openai.OpenAI(base_url=f"{ai_url}/v1", api_key=token, max_retries=0)
    return [OpenAIChat(client), OpenAIResponses(client)]


if __name__ == "__main__":
    sdk = sys.argv[1]
    everything = {
        caller.name: {
            target.id: {name: outcome(caller, cell) for name, cell in cells(caller, target)} for target in TARGETS
        }
        for caller in callers(sdk, os.environ["AI_URL"], os.environ["TOKEN"])
    }
    version = sys.modules[sdk].__version__
    print(json.dumps({"version": version, "told": everything}))
