"""Every address that a call can come in by, and how it asks for one answer there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data_plane.caching.served import PLATFORM, PLATFORM_VECTORS, Served
from data_plane.callers import CHAT, GEMINI, MESSAGES, RESPONSES

_OPENAI, _CLAUDE, _GEMINI = "openai/gpt-4o", "anthropic/claude-haiku-4.5", "google/gemini-2.5-flash"
Asked = Callable[[str, bool], Any]
COMPLETIONS, RUN = "openai_completions", "workers_ai"
VERSION = {"anthropic-version": "2023-06-01"}


@dataclass(frozen=True)
class Door:
    """`path` with `{ai}` (`…/ai`) or `{host}` (the gateway host, gateway and all) at its front. `asked` by the text and
    whether a stream is wanted. `ways`: whole, streamed."""

    name: str
    path: str
    asked: Asked
    streamed_path: str | None = None
    ways: tuple[bool, ...] = (False, True)
    spoken: str = ""  # by the gateway: whole answers and streams are made of one another then

    async def ask(self, served: Served, text: str, stream: bool, gateway_id: str = "cached", **more: Any) -> Any:
        path = self.streamed_path if stream and self.streamed_path else self.path
        ai, host = f"{served.gateway.account}/ai", f"/v1/{served.account}/{gateway_id}"
        headers = {**VERSION, **more.pop("headers", {})}
        body = more.pop("body", None) or self.asked(text, stream)
        return await served.post(path.format(ai=ai, host=host), body, gateway_id, headers)


def _turns(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def _chat(model: str, **more: Any) -> Asked:
    return lambda text, stream: {"model": model, "messages": _turns(text), "stream": stream, "max_tokens": 3900, **more}


def _asks_for_usage(inner: Asked) -> Asked:
    """What the gateway asks for itself, where it writes to the request at all."""
    usage = {"stream_options": {"include_usage": True}}
    return lambda text, stream: {**inner(text, stream), **(usage if stream else {})}


def _responses(model: str, **more: Any) -> Asked:
    return lambda text, stream: {"model": model, "input": text, "stream": stream, **more}


def _contents(text: str, stream: bool) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def _prompt(model: str) -> Asked:
    return lambda text, stream: {"model": model, "prompt": text, "stream": stream, "max_tokens": 3900}


def _vectors(model: str) -> Asked:
    return lambda text, stream: {"model": model, "input": [text, "and another"]}


def _run(model: str, inner: Asked) -> Asked:
    def asked(text: str, stream: bool) -> dict[str, Any]:
        given = {name: value for name, value in inner(text, stream).items() if name != "model"}
        return {"model": model, "input": given}

    return asked


def _raw(inner: Asked) -> Asked:
    return lambda text, stream: {name: value for name, value in inner(text, stream).items() if name != "model"}


def _step(provider: str, endpoint: str, inner: Asked) -> Asked:
    def asked(text: str, stream: bool) -> dict[str, Any]:
        return {"provider": provider, "endpoint": endpoint, "headers": VERSION, "query": inner(text, stream)}

    return asked


_NATIVE = _asks_for_usage(_chat("gpt-4o"))
_G = "models/gemini-2.5-flash"
_WHOLE: tuple[bool, ...] = (False,)

API = (
    Door("chat", "{ai}/v1/chat/completions", _chat(_OPENAI), spoken=CHAT),
    Door("chat-translated", "{ai}/v1/chat/completions", _chat(_CLAUDE), spoken=CHAT),
    Door("chat-platform", "{ai}/v1/chat/completions", _chat(PLATFORM), spoken=CHAT),
    Door("responses", "{ai}/v1/responses", _responses(_OPENAI, store=False), spoken=RESPONSES),
    Door("responses-stored", "{ai}/v1/responses", _responses(_OPENAI), spoken=RESPONSES),
    Door("responses-relayed", "{ai}/v1/responses", _responses("responsive/gpt-5.5"), spoken=RESPONSES),
    Door("messages", "{ai}/v1/messages", _chat(_CLAUDE), spoken=MESSAGES),
    Door("messages-translated", "{ai}/v1/messages", _chat(_OPENAI), spoken=MESSAGES),
    Door("completions", "{ai}/v1/completions", _prompt("openai/gpt-3.5-turbo-instruct"), spoken=COMPLETIONS),
    Door("completions-translated", "{ai}/v1/completions", _prompt(_CLAUDE), spoken=COMPLETIONS),
    Door(
        "gemini",
        "{ai}/v1beta/models/" + _GEMINI + ":generateContent",
        _contents,
        "{ai}/v1beta/models/" + _GEMINI + ":streamGenerateContent?alt=sse",
        spoken=GEMINI,
    ),
    Door("embeddings", "{ai}/v1/embeddings", _vectors("openai/text-embedding-3-small"), ways=_WHOLE),
    Door("embeddings-translated", "{ai}/v1/embeddings", _vectors("google/gemini-embedding-001"), ways=_WHOLE),
    Door("run-chat", "{ai}/run", _run(_OPENAI, _chat(_OPENAI)), spoken=CHAT),
    Door("run-messages", "{ai}/run", _run(_CLAUDE, _chat(_CLAUDE)), spoken=MESSAGES),
    Door("run-responses", "{ai}/run", _run(_OPENAI, _responses(_OPENAI)), spoken=RESPONSES),
    Door(
        "run-contents",
        "{ai}/run",
        lambda text, stream: {**_run(_GEMINI, _contents)(text, stream), "stream": stream},
        spoken=GEMINI,
    ),
    Door("run-prompt", "{ai}/run", _run(_OPENAI, _prompt(_OPENAI)), spoken=RUN),
    Door("run-platform", "{ai}/run", _run(PLATFORM, _chat(PLATFORM)), spoken=RUN),
    Door("run-path", "{ai}/run/" + PLATFORM, _raw(_chat(PLATFORM)), spoken=RUN),
    Door("run-path-prompt", "{ai}/run/" + PLATFORM, _raw(_prompt(PLATFORM)), spoken=RUN),
    Door(
        "run-vectors",
        "{ai}/run",
        _run("openai/text-embedding-3-small", _vectors("openai/text-embedding-3-small")),
        ways=_WHOLE,
    ),
    Door("run-vectors-path", "{ai}/run/" + PLATFORM_VECTORS, lambda text, stream: {"text": [text]}, ways=_WHOLE),
    Door("short-openai", "/openai/v1/chat/completions", _chat("gpt-4o"), spoken=CHAT),
    Door("short-anthropic", "/anthropic/v1/messages", _chat("claude-haiku-4-5"), spoken=MESSAGES),
    Door(
        "short-google",
        "/google/v1beta/" + _G + ":generateContent",
        _contents,
        "/google/v1beta/" + _G + ":streamGenerateContent?alt=sse",
        spoken=GEMINI,
    ),
)
HOST = (
    Door("compat", "{host}/compat/chat/completions", _chat(_OPENAI), spoken=CHAT),
    Door("compat-translated", "{host}/compat/chat/completions", _chat(_CLAUDE), spoken=CHAT),
    Door("platform", "{host}/workers-ai/v1/chat/completions", _chat(PLATFORM), spoken=CHAT),
    Door("platform-run", "{host}/workers-ai/" + PLATFORM, _raw(_chat(PLATFORM)), spoken=RUN),
    Door("native-openai", "{host}/openai/chat/completions", _asks_for_usage(_chat("gpt-4o"))),
    Door("native-responses", "{host}/openai/responses", _responses("gpt-4o")),
    Door("native-anthropic", "{host}/anthropic/v1/messages", _chat("claude-haiku-4-5")),
    Door(
        "native-gemini",
        "{host}/google-ai-studio/v1beta/" + _G + ":generateContent",
        _contents,
        "{host}/google-ai-studio/v1beta/" + _G + ":streamGenerateContent?alt=sse",
    ),
    Door(
        "native-gemini-array", "{host}/google-ai-studio/v1beta/" + _G + ":streamGenerateContent", _contents, ways=_WHOLE
    ),
    Door("native-vectors", "{host}/openai/embeddings", _vectors("text-embedding-3-small"), ways=_WHOLE),
    Door("universal", "{host}", _step("openai", "chat/completions", _NATIVE)),
    Door("universal-messages", "{host}", _step("anthropic", "v1/messages", _chat("claude-haiku-4-5"))),
    Door("universal-compat", "{host}", _step("compat", "chat/completions", _chat(_CLAUDE)), spoken=CHAT),
    Door(
        "universal-list",
        "{host}",
        lambda text, stream: [_step("openai", "chat/completions", _NATIVE)(text, stream)],
    ),
)
DOORS = (*API, *HOST)
BY_NAME = {door.name: door for door in DOORS}
