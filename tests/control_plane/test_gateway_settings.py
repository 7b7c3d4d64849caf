"""A gateway's settings as callers write them: what is taken, what is refused in which words, what has no effect."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from isthmus.core.gateway import DEFAULT_SETTINGS, GatewayId, GatewaySettings
from isthmus.validation.effect import unbuilt
from isthmus.validation.fields import InvalidFields, problems, type_of
from isthmus.validation.gateway_settings import declared_settings, ignored_keys, patch_settings, read_settings

REQUIRED: dict[str, Any] = {
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": None,
    "rate_limiting_limit": 0,
}


def rate(**changes: Any) -> dict[str, Any]:
    return {"rate_limits": {"enabled": True, "rules": [{"limit": 1, "limitType": "requests", "window": 60, **changes}]}}


def told_of(body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFields) as raised:
        read_settings(body)
    return [(".".join(each.path), each.message) for each in raised.value.problems]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"cache_ttl": "5"}, "cache_ttl", "Expected number, received string"),
        ({"cache_ttl": True}, "cache_ttl", "Expected number, received boolean"),
        ({"cache_ttl": 1.5}, "cache_ttl", "Expected integer, received float"),
        ({"cache_ttl": -1}, "cache_ttl", "Number must be greater than or equal to 0"),
        ({"cache_ttl": 2**60}, "cache_ttl", "Number must be less than or equal to 9007199254740991"),
        ({"collect_logs": None}, "collect_logs", "Expected boolean, received null"),
        ({"zdr": None}, "zdr", "Expected boolean, received null"),
        ({"log_management": 9999}, "log_management", "Number must be greater than or equal to 10000"),
        ({"logpush_public_key": "short"}, "logpush_public_key", "String must contain at least 16 character(s)"),
        (
            {"retry_backoff": "never"},
            "retry_backoff",
            "Invalid enum value. Expected 'constant' | 'exponential' | 'linear', received 'never'",
        ),
        ({"dlp": {"enabled": True, "profiles": []}}, "dlp.action", "Required"),
        ({"dlp": {"enabled": True, "action": "FLAG"}}, "dlp.profiles", "Required"),
        (
            {"dlp": {"enabled": True, "action": "FLAG", "profiles": [], "policies": []}},
            "dlp",
            "Give either 'action' and 'profiles', or 'policies', not both",
        ),
        ({"guardrails": {"prompt": {}}}, "guardrails.response", "Required"),
        ({"guardrails": {"prompt": {"s1": "FLAG"}, "response": {}}}, "guardrails.prompt.s1", "Invalid enum value"),
        ({"guardrails": []}, "guardrails", "Expected object, received array"),
        ({"otel": [{"url": "x", "headers": {}}]}, "otel.0.url", "Invalid url"),
        ({"otel": {}}, "otel", "Expected array, received object"),
        (
            {"spend_limits": {"rules": [{"limit": 0, "limitType": "cost", "window": 1}]}},
            "spend_limits.rules.0.limit",
            "Number must be greater than 0",
        ),
        (
            {"spend_limits": {"rules": [{"limit": 1, "limitType": "cost", "window": 1}] * 21}},
            "spend_limits.rules",
            "Array must contain at most 20 element(s)",
        ),
        (
            {"spend_limits": {"rules": [{"limit": 1, "limitType": "cost", "window": 1, "id": "a"}] * 2}},
            "spend_limits.rules.1.id",
            "Another rule has the id 'a'",
        ),
        (
            {
                "spend_limits": {
                    "rules": [{"limit": 1, "limitType": "cost", "window": 1, "model": {"mode": "partition"}}]
                }
            },
            "spend_limits.rules.0.model.mode",
            "Expected 'filter', received 'partition'",
        ),
        (
            {
                "spend_limits": {
                    "rules": [{"limit": 1, "limitType": "cost", "window": 1, "metadata": {"k": {"mode": "filter"}}}]
                }
            },
            "spend_limits.rules.0.metadata.k.values",
            "Required",
        ),
        (rate(limit=0), "rate_limits.rules.0.limit", "Number must be greater than or equal to 1"),
        (rate(limit=1.5), "rate_limits.rules.0.limit", "Expected integer, received float"),
        (rate(window=0), "rate_limits.rules.0.window", "Number must be greater than or equal to 1"),
        (rate(window=31_536_001), "rate_limits.rules.0.window", "Number must be less than or equal to 31536000"),
        ({"rate_limits": {"rules": [{"limit": 1, "limitType": "tokens"}]}}, "rate_limits.rules.0.window", "Required"),
        (rate(limitType="in_flight"), "rate_limits.rules.0.window", "'in_flight' has no window"),
        (rate(limitType="cost"), "rate_limits.rules.0.limitType", "Invalid enum value"),
        (rate(technique="leaky"), "rate_limits.rules.0.technique", "Invalid enum value"),
        (rate(token={"mode": "filter"}), "rate_limits.rules.0.token.values", "Required"),
        (
            rate(token={"mode": "filter", "values": []}),
            "rate_limits.rules.0.token.values",
            "must contain 1 to 1000 element",
        ),
        (
            rate(model={"mode": "filter", "values": ["x"] * 1001}),
            "rate_limits.rules.0.model.values",
            "1 to 1000 element",
        ),
        (rate(id=""), "rate_limits.rules.0.id", "must contain 1 to 64 character"),
        (rate(id="x" * 65), "rate_limits.rules.0.id", "must contain 1 to 64 character"),
        (rate(metadata={"k": {"mode": "filter"}}), "rate_limits.rules.0.metadata.k.values", "Required"),
        (
            rate(model={"mode": "partition", "values": []}),
            "rate_limits.rules.0.model.values",
            "'partition' takes no values",
        ),
        (rate(user="x"), "rate_limits.rules.0.user", "Unrecognized key 'user'"),
        (
            {"rate_limits": {"rules": [{"limit": 1, "limitType": "in_flight", "id": "a"}] * 2}},
            "rate_limits.rules.1.id",
            "Another rule has the id 'a'",
        ),
        (
            {"rate_limits": {"rules": [{"limit": 1, "limitType": "in_flight"}] * 21}},
            "rate_limits.rules",
            "Array must contain at most 20 element(s)",
        ),
        ({"stripe": {"authorization": "x"}}, "stripe.usage_events", "Required"),
        ({"stripe": {"authorization": "x", "usage_events": [], "more": 1}}, "stripe.more", "Unrecognized key 'more'"),
    ],
)
def test_a_field_that_does_not_fit(change: dict[str, Any], path: str, message: str) -> None:
    ((told_path, told),) = told_of({**REQUIRED, **change})
    assert told_path == f"body.{path}"
    assert message in told


def test_problems_of_several_fields_are_told_together() -> None:
    told = told_of({**REQUIRED, "dlp": {"enabled": 1, "action": "NO"}, "otel": [{}, {"url": 1, "headers": {"a": 2}}]})
    assert [path for path, _ in told] == [
        "body.dlp.enabled",
        "body.dlp.action",
        "body.otel.0.url",
        "body.otel.0.headers",
        "body.otel.1.url",
        "body.otel.1.headers.a",
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("mine", None),
        ("a_b-c9", None),
        ("a" * 64, None),
        ("mine\n", "Invalid: must match ^[a-z0-9_]+(?:-[a-z0-9_]+)*$"),
        ("a--b", "Invalid: must match ^[a-z0-9_]+(?:-[a-z0-9_]+)*$"),
        ("a" * 65, "String must contain at most 64 character(s)"),
        (7, "Expected string, received number"),
    ],
)
def test_gateway_ids(given: object, problem: str | None) -> None:
    assert [each.message for each in problems(given, type_of(GatewayId), ())] == ([problem] if problem else [])


def test_null_switches_off_where_it_may_stand() -> None:
    settings = read_settings({**REQUIRED, "cache_ttl": None, "guardrails": None, "retry_delay": None})
    assert (settings.cache_ttl, settings.guardrails, settings.retry_delay) == (None, None, None)


def test_a_patch_keeps_what_it_does_not_name_and_null_unsets() -> None:
    old = read_settings({**REQUIRED, "zdr": True, "retry_delay": 5, "cache_ttl": 9})
    new = patch_settings(old, {"zdr": None, "cache_ttl": None, "unknown": 1})
    assert (new.zdr, new.retry_delay, new.cache_ttl, new.collect_logs) == (UNSET, 5, None, True)
    assert patch_settings(new, {}) == new


def test_a_patch_cannot_unset_what_must_be_there() -> None:
    with pytest.raises(InvalidFields) as raised:
        patch_settings(DEFAULT_SETTINGS, {"collect_logs": None})
    assert raised.value.problems[0].path == ("body", "collect_logs")


def test_rule_ids_are_made_once() -> None:
    rule = {"limit": 1, "limitType": "cost", "window": 60}
    settings = read_settings({**REQUIRED, "spend_limits": {"rules": [rule, {**rule, "id": "mine"}]}})
    made, given = (each.id for each in settings.spend_limits.rules)
    assert (len(made), given) == (8, "mine")
    assert patch_settings(settings, {"zdr": True}).spend_limits == settings.spend_limits
    rates = read_settings({**REQUIRED, **rate()})
    assert len(rates.rate_limits.rules[0].id) == 8
    assert patch_settings(rates, {"zdr": True}).rate_limits == rates.rate_limits


def test_declared_ones_start_from_the_default() -> None:
    settings = declared_settings({"cache_ttl": 5}, ("gateways", "x"))
    assert settings == msgspec.structs.replace(DEFAULT_SETTINGS, cache_ttl=5)


def test_keys_that_are_no_field() -> None:
    assert ignored_keys({"id": 1, "created_at": 2, "zdr": 3, "colour": 4}) == ["colour"]


def test_the_default_asks_for_nothing_that_is_not_there() -> None:
    assert unbuilt(DEFAULT_SETTINGS) == []


def test_every_setting_that_does_nothing_yet_is_told() -> None:
    built = {"authentication", "collect_logs", "retry_max_attempts", "retry_delay", "retry_backoff"}
    built |= {"cache_invalidate_on_update", "cache_ttl", "cache_streams", "cache_skips_checks", "semantic_cache"}
    built |= {"rate_limiting_interval", "rate_limiting_limit", "rate_limiting_technique", "rate_limits"}
    everything = read_settings(
        {
            "cache_invalidate_on_update": True,
            "cache_ttl": 1,
            "collect_logs": False,
            "rate_limiting_interval": 1,
            "rate_limiting_limit": 1,
            "rate_limiting_technique": "fixed",
            "authentication": False,
            "byok_only": True,
            "dlp": {"enabled": True, "policies": []},
            "guardrails": {"prompt": {}, "response": {}},
            "log_classification": True,
            "log_management": 10_000,
            "log_management_strategy": "DELETE_OLDEST",
            "logpush": True,
            "logpush_public_key": "k" * 16,
            "otel": [{"url": "https://x", "headers": {}}],
            "retry_max_attempts": 1,
            "retry_delay": 0,
            "retry_backoff": "constant",
            "spend_limits": {},
            "store_id": "x",
            "stripe": {"authorization": "x", "usage_events": []},
            "workers_ai_billing_mode": "unified",
            "zdr": True,
        }
    )
    assert {*unbuilt(everything)} | built == {*GatewaySettings.__struct_fields__}


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["FLAG", "cost"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["enabled", "rules", "url", "S1", "mode", "limit", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(GatewaySettings.__struct_fields__), VALUES))
def test_whatever_is_sent_is_refused_in_words_or_can_be_stored(body: dict[str, Any]) -> None:
    try:
        taken = read_settings({**REQUIRED, **body})
    except InvalidFields as refused:
        assert all(each.path[0] == "body" and each.message for each in refused.problems)
    else:
        assert msgspec.json.decode(msgspec.json.encode(taken), type=GatewaySettings) == taken
