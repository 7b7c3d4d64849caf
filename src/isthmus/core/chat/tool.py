"""The tools that a model is offered, in no vendor's words."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from isthmus.core.chat.part import CacheMark, Opaque


class Tool(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="function"):
    """A function. `parameters` is a JSON Schema object, kept whole; `strict` None means the caller did not say."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] = {}
    strict: bool | None = None
    cache: CacheMark | None = None


class Grammar(msgspec.Struct, frozen=True, kw_only=True):
    syntax: Literal["lark", "regex"]
    definition: str


class CustomTool(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="custom"):
    """A tool that takes free text instead of JSON (OpenAI's). Elsewhere `wire.custom_tools` makes a function of it."""

    name: str
    description: str | None = None
    grammar: Grammar | None = None


class WebSearch(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="web_search"):
    """The provider's own web search. `location` has the keys city, region, country, timezone."""

    max_uses: int | None = None
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    location: dict[str, str] | None = None
    context_size: Literal["low", "medium", "high"] | None = None
    cache: CacheMark | None = None


class VendorTool(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="vendor"):
    """A tool that one vendor alone knows (code interpreters, file search, computer use). `definition.data` is its JSON
    text as the caller wrote it. To another vendor it is lost, and refused where `tool_choice` insists on it."""

    type: str
    definition: Opaque
    name: str | None = None


AnyTool = Tool | CustomTool | WebSearch | VendorTool


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`named` goes with `name`: a Tool's or CustomTool's name, "web_search", or a VendorTool's type. `allowed` narrows
    `auto` and `required` to the tools of these names."""

    mode: Literal["auto", "required", "none", "named"]
    name: str | None = None
    allowed: tuple[str, ...] = ()
