"""The models the simulator knows, and the published facts about each that its rules rest on. A name that is not here
gets the provider's own "no such model"; `Simulator(models=...)` adds more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Vendor = Literal["openai", "anthropic"]
_TO_HIGH = ("low", "medium", "high")


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is what a request says, `snapshot` what an answer says. `efforts` are the reasoning efforts it takes, the
    first of them its default; none means it does not reason (OpenAI) or knows no effort (Anthropic)."""

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

    @property
    def answers_as(self) -> str:
        return self.snapshot or self.name


def catalogue(extra: Iterable[Model] = ()) -> Mapping[tuple[Vendor, str], Model]:
    """Every known model under its name and its snapshot's name."""
    table: dict[tuple[Vendor, str], Model] = {}
    for model in (*_openai(), *_anthropic(), *extra):
        table[model.vendor, model.name] = model
        table[model.vendor, model.answers_as] = model
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
    return rows


def _anthropic() -> list[Model]:
    budget, adaptive = frozenset({"enabled"}), frozenset({"adaptive"})
    efforts = ("high", "low", "medium", "max")
    rows: list[tuple[str, str, frozenset[str], tuple[str, ...], int]] = [
        ("claude-haiku-4-5", "20251001", budget, (), 4096),
        ("claude-sonnet-4-5", "20250929", budget, (), 1024),
        ("claude-sonnet-4-0", "20250514", budget, (), 1024),
        ("claude-opus-4-0", "20250514", budget, (), 1024),
        ("claude-opus-4-1", "20250805", budget, (), 1024),
        ("claude-opus-4-5", "20251101", budget, efforts[:3], 4096),
        ("claude-sonnet-4-6", "", budget | adaptive, efforts, 2048),
        ("claude-opus-4-6", "", budget | adaptive, efforts, 4096),
        ("claude-opus-4-7", "", adaptive, (*efforts, "xhigh"), 4096),
        ("claude-opus-4-8", "", adaptive, (*efforts, "xhigh"), 4096),
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
            max_output_tokens=32_000 if name in ("claude-opus-4-0", "claude-opus-4-1") else 64_000,
            cache_minimum_tokens=cache,
        )
        for name, date, thinking, levels, cache in rows
    ]
