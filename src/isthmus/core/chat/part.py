"""What the messages of a conversation hold, in no vendor's words."""

from __future__ import annotations

from typing import Literal

import msgspec


class CacheMark(msgspec.Struct, frozen=True, kw_only=True):
    """The prompt up to here may be kept by the provider for the next call. `ttl` None: the provider's own."""

    ttl: Literal["5m", "1h"] | None = None


class Opaque(msgspec.Struct, frozen=True, kw_only=True):
    """Something that only the vendor that made it can read: a signature, encrypted thinking, a file's id, an index.

    `origin` is that vendor, as its dialect names it (`Dialect.origin`: "anthropic", "openai", "google", "cohere");
    `data` is text of that dialect's own form. It is given back to that vendor unchanged, and to no other.
    """

    origin: str
    data: str


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a piece of text comes from. `start` and `end` count characters of the text that cites (one message's text,
    all its parts joined), None where the vendor cites by part. `document` counts the request's documents from 0;
    `location` says what `first` and `last` count in it (`last` is exclusive). `opaque` is the vendor's own handle."""

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    document: int | None = None
    location: Literal["char", "page", "block"] | None = None
    first: int | None = None
    last: int | None = None
    opaque: Opaque | None = None


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text", omit_defaults=True, gc=False):
    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMark | None = None


class Image(msgspec.Struct, frozen=True, kw_only=True, tag="image"):
    """A URL, or base64 text with its media type, or a vendor's file. `detail` is OpenAI's low/high/auto."""

    url: str | None = None
    base64: str | None = None
    media_type: str | None = None
    file: Opaque | None = None
    detail: str | None = None
    cache: CacheMark | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True, tag="document"):
    """A URL, or base64 text with its media type (PDF mostly), or plain text, or a vendor's file. `name` is its file
    name or title, `context` what the caller says about it; `cite`: citations of it are wanted."""

    url: str | None = None
    base64: str | None = None
    media_type: str | None = None
    text: str | None = None
    file: Opaque | None = None
    name: str | None = None
    context: str | None = None
    cite: bool = False
    cache: CacheMark | None = None


class Audio(msgspec.Struct, frozen=True, kw_only=True, tag="audio"):
    """Base64 text; `media_type` as in `audio/wav`, `audio/mp3`."""

    base64: str
    media_type: str
    cache: CacheMark | None = None


class Video(msgspec.Struct, frozen=True, kw_only=True, tag="video"):
    url: str | None = None
    base64: str | None = None
    media_type: str | None = None
    cache: CacheMark | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """An assistant's refusal, told apart from its text by OpenAI's dialects."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning"):
    """An assistant's thinking from an earlier turn. `signature` proves or holds it, and is of use at its origin alone.
    `redacted`: there is no text, the signature is all of it."""

    text: str
    signature: Opaque | None = None
    redacted: bool = False


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call"):
    """`arguments` is JSON text as the model wrote it (an empty string means no arguments); for a `custom` tool it is
    free text. `signature` is Google's thought signature."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    signature: Opaque | None = None
    cache: CacheMark | None = None


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result"):
    """`name` is the tool's where the dialect says it (Google's); else it is found by `call_id` among the calls."""

    call_id: str
    parts: tuple[Text | Image | Document | Audio | Video, ...]
    is_error: bool = False
    name: str | None = None
    custom: bool = False
    cache: CacheMark | None = None


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """`age` is the page's, in the vendor's words."""

    url: str
    title: str = ""
    age: str | None = None
    opaque: Opaque | None = None


class HostedToolUse(msgspec.Struct, frozen=True, kw_only=True, tag="hosted_tool_use"):
    """A tool that the provider ran itself while answering, and what came of it. `tool` is "web_search" or the vendor's
    own name, `input` JSON text. `error` is the vendor's code of what failed. `opaque` is the vendor's own blocks or
    item as JSON text, to be given back to it."""

    id: str
    tool: str
    input: str = "{}"
    results: tuple[SearchResult, ...] = ()
    error: str | None = None
    opaque: Opaque | None = None


Part = Text | Image | Document | Audio | Video | Refusal | Reasoning | ToolCall | ToolResult | HostedToolUse
