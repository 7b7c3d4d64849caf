"""A gateway: the settings that an account's calls pass through (control-plane 3.1, 3.2). Its JSON form is the API's."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

DEFAULT_ID = "default"

NotNegative = Annotated[int, Meta(ge=0)]
GatewayId = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9_]+(?:-[a-z0-9_]+)*$")]
Verdict = Literal["FLAG", "BLOCK"]
Category = Literal["P1", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13"]


class DlpPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    action: Verdict
    check: tuple[Literal["REQUEST", "RESPONSE"], ...]
    enabled: bool
    profiles: tuple[str, ...]


class Dlp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both published forms: `action` and `profiles`, or `policies`. Exactly one of the two is given."""

    enabled: bool
    action: Verdict | UnsetType = UNSET
    profiles: tuple[str, ...] | UnsetType = UNSET
    policies: tuple[DlpPolicy, ...] | UnsetType = UNSET


class Guardrails(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prompt: dict[Category, Verdict]
    response: dict[Category, Verdict]


class OtelExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    headers: dict[str, str]
    authorization: str | UnsetType = UNSET
    content_type: Literal["json", "protobuf"] = "json"


class Selector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mode: Literal["filter", "partition"]
    values: tuple[str, ...] | UnsetType = UNSET


class SpendRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`limit` in USD, `window` in seconds; `id` is 8 hexadecimal digits, made where it is not given."""

    limit: Annotated[float, Meta(gt=0)]
    limitType: Literal["cost"]
    window: Annotated[int, Meta(ge=1)]
    id: str | UnsetType = UNSET
    enabled: bool = True
    technique: Literal["fixed", "sliding"] = "sliding"
    model: Selector | UnsetType = UNSET
    provider: Selector | UnsetType = UNSET
    metadata: dict[str, Selector] | UnsetType = UNSET


class SpendLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool = False
    rules: Annotated[tuple[SpendRule, ...], Meta(max_length=20)] = ()


class RateRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ours. At most `limit` requests or tokens in `window` seconds, or requests `in_flight` at a time (which has no
    window). A selector narrows the rule to some values, or counts each by itself; `token` knows tokens by their ids.
    `id`, a short text, is made where it is not given."""

    limit: Annotated[int, Meta(ge=1)]
    limitType: Literal["requests", "tokens", "in_flight"]
    window: Annotated[int, Meta(ge=1, le=31_536_000)] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    enabled: bool = True
    technique: Literal["fixed", "sliding"] = "fixed"
    token: Selector | UnsetType = UNSET
    model: Selector | UnsetType = UNSET
    provider: Selector | UnsetType = UNSET
    metadata: dict[str, Selector] | UnsetType = UNSET


class RateLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ours, beside the one limit that `rate_limiting_limit` sets."""

    enabled: bool = False
    rules: Annotated[tuple[RateRule, ...], Meta(max_length=20)] = ()


class SemanticCache(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ours. A question that is like one that was answered, by `threshold` (a cosine) or more, has its answer. Values of
    the `metadata` keys must be equal. `shadow_share` of such answers are checked against a real one."""

    enabled: bool = False
    threshold: Annotated[float, Meta(ge=0.5, le=1)] = 0.94
    metadata: Annotated[tuple[str, ...], Meta(max_length=5)] = ()
    shadow_share: Annotated[float, Meta(ge=0, le=1)] = 0.0


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payload: str


class Stripe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    authorization: str
    usage_events: tuple[UsageEvent, ...]


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may set. What was never set stays unset and is left out of answers (control-plane 1.5).
    `cache_streams` False: streamed answers are not cached. `cache_skips_checks`: a cached answer is given before
    policies and guardrails are asked, as Cloudflare does it."""

    cache_invalidate_on_update: bool
    cache_ttl: NotNegative | None
    collect_logs: bool
    rate_limiting_interval: NotNegative | None
    rate_limiting_limit: NotNegative | None
    rate_limiting_technique: Literal["fixed", "sliding"] | UnsetType | None = UNSET
    authentication: bool | UnsetType = UNSET
    byok_only: bool | UnsetType = UNSET
    dlp: Dlp | UnsetType | None = UNSET
    guardrails: Guardrails | UnsetType | None = UNSET
    log_classification: bool | UnsetType = UNSET
    log_management: Annotated[int, Meta(ge=10000, le=10000000)] | UnsetType | None = UNSET
    log_management_strategy: Literal["STOP_INSERTING", "DELETE_OLDEST"] | UnsetType | None = UNSET
    logpush: bool | UnsetType = UNSET
    logpush_public_key: Annotated[str, Meta(min_length=16, max_length=1024)] | UnsetType | None = UNSET
    otel: tuple[OtelExporter, ...] | UnsetType | None = UNSET
    retry_max_attempts: Annotated[int, Meta(ge=1, le=5)] | UnsetType | None = UNSET
    retry_delay: Annotated[int, Meta(ge=0, le=60000)] | UnsetType | None = UNSET
    retry_backoff: Literal["constant", "linear", "exponential"] | UnsetType | None = UNSET
    spend_limits: SpendLimits | UnsetType | None = UNSET
    store_id: str | UnsetType | None = UNSET
    stripe: Stripe | UnsetType | None = UNSET
    workers_ai_billing_mode: Literal["postpaid", "unified"] | UnsetType = UNSET
    zdr: bool | UnsetType = UNSET
    # ours
    cache_streams: bool | UnsetType = UNSET
    cache_skips_checks: bool | UnsetType = UNSET
    semantic_cache: SemanticCache | UnsetType | None = UNSET
    rate_limits: RateLimits | UnsetType | None = UNSET


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """Times in epoch seconds. `declared`: it comes from isthmus.toml and is read-only in the API."""

    id: str
    account_id: str
    settings: GatewaySettings
    created_at: float
    modified_at: float
    declared: bool = False

    @property
    def is_default(self) -> bool:
        return self.id == DEFAULT_ID


DEFAULT_SETTINGS = GatewaySettings(
    cache_invalidate_on_update=False,
    cache_ttl=0,
    collect_logs=True,
    rate_limiting_interval=0,
    rate_limiting_limit=0,
    authentication=True,
)
"""What an automatically made `default` starts with (data-plane 3.2)."""
