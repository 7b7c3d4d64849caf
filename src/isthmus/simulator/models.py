"""The models the simulator knows, and the published facts about each that its rules rest on. A name that is not here
gets the provider's own "no such model"; `Simulator(models=...)` adds more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Vendor = Literal["openai", "anthropic", "google", "bedrock", "cohere"]
_TO_HIGH = ("low", "medium", "high")


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is what a request says, `snapshot` what an answer says. `efforts` are the reasoning efforts it takes, the
    first of them its default; none means it does not reason (OpenAI) or knows no effort (Anthropic). Google's are
    thinking levels, and `budget_tokens` the least and the most that a budget may be, where `thinking` has `budget`.
    `profiles` are Bedrock's: the prefixes of the inference profiles it is in; not `on_demand`, it is answered by these
    alone. `completes`: it goes on from a text, and knows no conversation."""

    name: str
    vendor: Vendor
    snapshot: str = ""
    efforts: tuple[str, ...] = ()
    thinking: frozenset[str] = frozenset()
    takes_sampling: bool = True
    takes_both_samplings: bool = True
    takes_stop: bool = True
    takes_prefill: bool = True
    context_tokens: int = 200_000
    max_output_tokens: int = 64_000
    cache_minimum_tokens: int = 1024
    budget_tokens: tuple[int, int] = (0, 0)
    takes_images: bool = True
    profiles: tuple[str, ...] = ()
    on_demand: bool = True
    completes: bool = False

    @property
    def answers_as(self) -> str:
        return self.snapshot or self.name


def catalogue(extra: Iterable[Model] = ()) -> Mapping[tuple[Vendor, str], Model]:
    """Every known model under its name, its snapshot's name, and those of its profiles."""
    table: dict[tuple[Vendor, str], Model] = {}
    for model in (*_openai(), *_anthropic(), *_google(), *_bedrock(), *_cohere(), *extra):
        for name in (model.name, model.answers_as, *(f"{prefix}.{model.name}" for prefix in model.profiles)):
            table[model.vendor, name] = model
    return table


def _openai() -> list[Model]:
    plain = (
        ("gpt-4o", "2024-08-06", 16_384),
        ("gpt-4o-mini", "2024-07-18", 16_384),
        ("gpt-4.1", "2025-04-14", 32_768),
        ("gpt-4.1-mini", "2025-04-14", 32_768),
        ("gpt-4.1-nano", "2025-04-14", 32_768),
    )
    thinking = (
        ("o3", "2025-04-16", ("medium", "low", "high")),
        ("o4-mini", "2025-04-16", ("medium", "low", "high")),
        ("gpt-5", "2025-08-07", ("medium", "minimal", "low", "high")),
        ("gpt-5-mini", "2025-08-07", ("medium", "minimal", "low", "high")),
        ("gpt-5-nano", "2025-08-07", ("medium", "minimal", "low", "high")),
        ("gpt-5.1", "2025-11-13", ("none", *_TO_HIGH)),
        ("gpt-5.2", "2025-12-11", ("none", *_TO_HIGH, "xhigh")),
        ("gpt-5.4", "2026-03-05", ("none", *_TO_HIGH, "xhigh")),
        ("gpt-5.4-mini", "2026-03-17", ("none", *_TO_HIGH, "xhigh")),
        ("gpt-5.4-nano", "2026-03-17", ("none", *_TO_HIGH, "xhigh")),
        ("gpt-5.5", "2026-04-23", ("medium", "none", "low", "high", "xhigh")),
    )
    rows = [
        Model(
            name=name,
            vendor="openai",
            snapshot=f"{name}-{date}",
            context_tokens=1_047_576 if "4.1" in name else 128_000,
            max_output_tokens=most,
        )
        for name, date, most in plain
    ]
    for name, date, efforts in thinking:
        rows.append(
            Model(
                name=name,
                vendor="openai",
                snapshot=f"{name}-{date}",
                efforts=efforts,
                takes_sampling=False,
                takes_stop=not name.startswith("o"),
                context_tokens=200_000 if name.startswith("o") else 400_000,
                max_output_tokens=100_000 if name.startswith("o") else 128_000,
            )
        )
    return [*rows, *_completing()]


def _completing() -> list[Model]:
    rows = (("gpt-3.5-turbo-instruct", "0914", 4_096), ("davinci-002", "", 16_384), ("babbage-002", "", 16_384))
    return [
        Model(
            name=name,
            vendor="openai",
            snapshot=f"{name}-{date}" if date else "",
            context_tokens=context,
            max_output_tokens=context,
            completes=True,
        )
        for name, date, context in rows
    ]


def _anthropic() -> list[Model]:
    budget, adaptive = frozenset({"enabled"}), frozenset({"adaptive"})
    efforts = ("high", "low", "medium", "max")
    rows: list[tuple[str, str, frozenset[str], tuple[str, ...], int, int]] = [
        ("claude-haiku-4-5", "20251001", budget, (), 4096, 64_000),
        ("claude-sonnet-4-5", "20250929", budget, (), 1024, 64_000),
        ("claude-sonnet-4-0", "20250514", budget, (), 1024, 64_000),
        ("claude-opus-4-0", "20250514", budget, (), 1024, 32_000),
        ("claude-opus-4-1", "20250805", budget, (), 1024, 32_000),
        ("claude-opus-4-5", "20251101", budget, efforts[:3], 4096, 64_000),
        ("claude-sonnet-4-6", "", budget | adaptive, efforts, 2048, 128_000),
        ("claude-opus-4-6", "", budget | adaptive, efforts, 4096, 128_000),
        ("claude-opus-4-7", "", adaptive, (*efforts, "xhigh"), 4096, 128_000),
        ("claude-opus-4-8", "", adaptive, (*efforts, "xhigh"), 4096, 128_000),
    ]
    return [
        Model(
            name=name,
            vendor="anthropic",
            snapshot=f"{name.removesuffix('-0')}-{date}" if date else "",
            thinking=thinking,
            efforts=levels,
            takes_sampling=name not in ("claude-opus-4-7", "claude-opus-4-8"),
            takes_both_samplings=name in ("claude-opus-4-0", "claude-sonnet-4-0"),
            takes_prefill="adaptive" not in thinking,
            max_output_tokens=most,
            cache_minimum_tokens=cache,
        )
        for name, date, thinking, levels, cache, most in rows
    ]


def _google() -> list[Model]:
    """`budget` and `level` are the ways of asking for thinking, `off` a budget of none at all."""
    budget = frozenset({"budget"})
    both = budget | {"off"}
    rows: list[tuple[str, frozenset[str], tuple[str, ...], tuple[int, int]]] = [
        ("gemini-2.0-flash", frozenset(), (), (0, 0)),
        ("gemini-2.5-pro", budget, (), (128, 32_768)),
        ("gemini-2.5-flash", both, (), (1, 24_576)),
        ("gemini-2.5-flash-lite", both, (), (512, 24_576)),
        ("gemini-3-pro-preview", budget | {"level"}, ("high", "low"), (128, 32_768)),
        ("gemini-3-flash-preview", both | {"level"}, ("high", "minimal", "low", "medium"), (1, 32_768)),
        ("gemini-3.1-pro-preview", budget | {"level"}, ("high", "low", "medium"), (128, 32_768)),
        ("gemini-3.1-flash-lite", both | {"level"}, ("minimal", *_TO_HIGH), (1, 32_768)),
        ("gemini-3.5-flash", both | {"level"}, ("high", "minimal", "low", "medium"), (1, 32_768)),
    ]
    return [
        Model(
            name=name,
            vendor="google",
            thinking=thinking,
            efforts=levels,
            budget_tokens=limits,
            context_tokens=1_048_576,
            max_output_tokens=65_536 if thinking else 8_192,
            cache_minimum_tokens=1024 if "flash" in name else 4096,
        )
        for name, thinking, levels, limits in rows
    ]


def _bedrock() -> list[Model]:
    """Claude is there by its profiles only, under its own name its tokens are counted; Nova is there by both."""
    everywhere = ("us", "eu", "apac", "global")
    claude = {model.answers_as: model for model in _anthropic()}
    versions = [
        ("claude-haiku-4-5-20251001", "-v1:0"),
        ("claude-sonnet-4-20250514", "-v1:0"),
        ("claude-sonnet-4-5-20250929", "-v1:0"),
        ("claude-opus-4-1-20250805", "-v1:0"),
        ("claude-opus-4-5-20251101", "-v1:0"),
        ("claude-sonnet-4-6", ""),
        ("claude-opus-4-6", "-v1"),
        ("claude-opus-4-8", ""),
    ]
    rows = [
        msgspec.structs.replace(
            claude[name],
            name=f"anthropic.{name}{version}",
            vendor="bedrock",
            snapshot="",
            profiles=everywhere,
            on_demand=False,
        )
        for name, version in versions
    ]
    nova: list[tuple[str, bool, tuple[str, ...], int]] = [
        ("amazon.nova-micro-v1:0", False, (), 128_000),
        ("amazon.nova-lite-v1:0", True, (), 300_000),
        ("amazon.nova-pro-v1:0", True, (), 300_000),
        ("amazon.nova-2-lite-v1:0", True, _TO_HIGH, 1_000_000),
    ]
    for name, takes_images, efforts, context in nova:
        rows.append(
            Model(
                name=name,
                vendor="bedrock",
                efforts=efforts,
                takes_images=takes_images,
                context_tokens=context,
                max_output_tokens=64_000 if efforts else 10_000,
                profiles=everywhere,
                on_demand=not efforts,
            )
        )
    return rows


def _cohere() -> list[Model]:
    """`enabled` thinks unless it is told not to; only newer models can be made to call a tool."""
    rows: list[tuple[str, frozenset[str], bool, int, int]] = [
        ("command-r-08-2024", frozenset(), False, 128_000, 4_096),
        ("command-r-plus-08-2024", frozenset(), False, 128_000, 4_096),
        ("command-r7b-12-2024", frozenset({"tool_choice"}), False, 128_000, 4_096),
        ("command-a-03-2025", frozenset({"tool_choice"}), False, 256_000, 8_192),
        ("command-a-vision-07-2025", frozenset(), True, 128_000, 8_192),
        ("command-a-reasoning-08-2025", frozenset({"tool_choice", "enabled"}), False, 256_000, 32_768),
    ]
    return [
        Model(
            name=name,
            vendor="cohere",
            thinking=features,
            takes_images=takes_images,
            context_tokens=context,
            max_output_tokens=most,
        )
        for name, features, takes_images, context, most in rows
    ]
