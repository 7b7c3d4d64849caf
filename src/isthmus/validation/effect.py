"""Which settings of a gateway do something today. What is stored and does nothing yet is said aloud: in the answer's
`messages` and in the log at start. A feature takes its lines out of the table here in the commit that brings it.
"""

from __future__ import annotations

from msgspec import UNSET

from isthmus.core.gateway import GatewaySettings

NO_EFFECT_YET = 7100
"""Ours: a message's code, not an error's."""

IGNORED_KEY = 7101
"""Ours: a message's code, not an error's."""

_WITHOUT_EFFECT: dict[str, tuple[object, ...]] = {
    # setting: the values beside unset and null that ask for nothing
    "cache_invalidate_on_update": (False,),
    "cache_ttl": (0,),
    "rate_limiting_interval": (0,),
    "rate_limiting_limit": (0,),
    "rate_limiting_technique": (),
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
