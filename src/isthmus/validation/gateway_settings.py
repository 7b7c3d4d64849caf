"""Reads a gateway's settings as a caller sends them: whole (POST, PUT), as a change (PATCH), or from isthmus.toml, with
every field checked for itself and then the rules that tie fields together (control-plane 3.1, 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType, inspect, structs

from isthmus.core.gateway import (
    DEFAULT_SETTINGS,
    Dlp,
    GatewaySettings,
    RateLimits,
    RateRule,
    Selector,
    SpendLimits,
    SpendRule,
)
from isthmus.core.ids import hexadecimal
from isthmus.validation.fields import InvalidFields, Problem, missing, problems, type_of, unknown_key

BODY = "body"
READ_ONLY = frozenset({"id", "is_default", "declared", "created_at", "modified_at", "account_id", "account_tag"})
"""Answers hold them, so a caller may send them back: no field to set, and nothing to remark on."""

FIELD_NAMES = tuple(field.encode_name for field in structs.fields(GatewaySettings))
RULE_ID_DIGITS = 8
RULE_ID_MAX_CHARACTERS = 64
SELECTED_MAX = 1000
"""Values of one selector of a rate limit: every call is held against them."""


def read_settings(body: Mapping[str, object], prefix: tuple[str, ...] = (BODY,)) -> GatewaySettings:
    """All settings; what the body leaves out is unset. Raises `InvalidFields` with every problem."""
    found = list(_field_problems(body, prefix, complete=True))
    return _built({name: body[name] for name in FIELD_NAMES if name in body}, found, prefix)


def patch_settings(old: GatewaySettings, body: Mapping[str, object]) -> GatewaySettings:
    """What the body leaves out is kept; null unsets an optional one, and switches off a required number."""
    kept = {name: value for name, value in _plain(old).items() if name not in body}
    given = {name: body[name] for name in FIELD_NAMES if name in body}
    required = {field.encode_name for field in structs.fields(GatewaySettings) if field.required}
    given = {name: value for name, value in given.items() if value is not None or name in required}
    found = list(_field_problems(given, (BODY,), complete=False))
    return _built(kept | given, found, (BODY,))


def declared_settings(table: Mapping[str, object], prefix: tuple[str, ...]) -> GatewaySettings:
    """From isthmus.toml: what is left out is as in a `default` that was made by itself."""
    found = list(_field_problems(table, prefix, complete=False))
    for name in table:
        if name not in FIELD_NAMES:
            found.append(Problem(path=(*prefix, name), message=unknown_key(name, FIELD_NAMES)))
    given = {name: table[name] for name in FIELD_NAMES if name in table}
    return _built(_plain(DEFAULT_SETTINGS) | given, found, prefix)


def ignored_keys(body: Mapping[str, object]) -> list[str]:
    """Keys that are no field of a gateway."""
    return [key for key in body if key not in FIELD_NAMES and key not in READ_ONLY]


def _field_problems(given: Mapping[str, object], prefix: tuple[str, ...], complete: bool) -> Iterator[Problem]:
    for field in _described().fields:
        place = (*prefix, field.encode_name)
        if field.encode_name in given:
            yield from problems(given[field.encode_name], field.type, place)
        elif field.required and complete:
            yield Problem(path=place, message=missing(field.type))


@cache
def _described() -> inspect.StructType:
    """Made when first needed: it takes 2 ms, which neither every start nor every call shall."""
    described = type_of(GatewaySettings)
    assert isinstance(described, inspect.StructType)
    return described


def _built(values: dict[str, object], found: list[Problem], prefix: tuple[str, ...]) -> GatewaySettings:
    if found:
        raise InvalidFields(found)
    settings = msgspec.convert(values, GatewaySettings)
    found = [*_rule_problems(settings, prefix)]
    if found:
        raise InvalidFields(found)
    return _with_rule_ids(settings)


def _rule_problems(settings: GatewaySettings, prefix: tuple[str, ...]) -> Iterator[Problem]:
    if isinstance(settings.dlp, Dlp):
        yield from _dlp_problems(settings.dlp, (*prefix, "dlp"))
    if isinstance(settings.spend_limits, SpendLimits):
        yield from _spend_problems(settings.spend_limits, (*prefix, "spend_limits", "rules"))
    if isinstance(settings.rate_limits, RateLimits):
        yield from _rate_problems(settings.rate_limits, (*prefix, "rate_limits", "rules"))
    for number, exporter in enumerate(settings.otel or ()):
        if not exporter.url.startswith(("http://", "https://")):
            yield Problem(path=(*prefix, "otel", str(number), "url"), message="Invalid url")


def _dlp_problems(dlp: Dlp, path: tuple[str, ...]) -> Iterator[Problem]:
    first = [name for name in ("action", "profiles") if getattr(dlp, name) is not UNSET]
    if dlp.policies is not UNSET and first:
        yield Problem(path=path, message="Give either 'action' and 'profiles', or 'policies', not both")
    elif dlp.policies is UNSET and len(first) < 2:
        for name in ("action", "profiles"):
            if name not in first:
                yield Problem(path=(*path, name), message="Required")


def _spend_problems(limits: SpendLimits, path: tuple[str, ...]) -> Iterator[Problem]:
    yield from _id_problems(limits.rules, path)
    for number, rule in enumerate(limits.rules):
        place = (*path, str(number))
        yield from _filter_problems(rule.model, (*place, "model"))
        yield from _filter_problems(rule.provider, (*place, "provider"))
        for key, selector in (rule.metadata or {}).items():
            yield from _selector_problems(selector, (*place, "metadata", key))


def _rate_problems(limits: RateLimits, path: tuple[str, ...]) -> Iterator[Problem]:
    yield from _id_problems(limits.rules, path)
    for number, rule in enumerate(limits.rules):
        place = (*path, str(number))
        if rule.limitType == "in_flight" and rule.window is not UNSET:
            yield Problem(path=(*place, "window"), message="'in_flight' has no window: it counts requests at a time")
        elif rule.limitType != "in_flight" and rule.window is UNSET:
            yield Problem(path=(*place, "window"), message="Required")
        if isinstance(rule.id, str) and not 1 <= len(rule.id) <= RULE_ID_MAX_CHARACTERS:
            message = f"String must contain 1 to {RULE_ID_MAX_CHARACTERS} character(s)"
            yield Problem(path=(*place, "id"), message=message)
        for name in ("token", "model", "provider"):
            selector = getattr(rule, name)
            if selector is not UNSET:
                yield from _counted_problems(selector, (*place, name))
        for key, selector in (rule.metadata or {}).items():
            yield from _counted_problems(selector, (*place, "metadata", key))


def _counted_problems(selector: Selector, path: tuple[str, ...]) -> Iterator[Problem]:
    """A rule for none of all values would count nothing, and nobody would see it."""
    yield from _selector_problems(selector, path)
    if selector.mode == "filter" and selector.values is not UNSET and not 1 <= len(selector.values) <= SELECTED_MAX:
        yield Problem(path=(*path, "values"), message=f"Array must contain 1 to {SELECTED_MAX} element(s)")


def _id_problems(rules: Sequence[SpendRule | RateRule], path: tuple[str, ...]) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, rule in enumerate(rules):
        if isinstance(rule.id, str):
            if rule.id in seen:
                yield Problem(path=(*path, str(number), "id"), message=f"Another rule has the id '{rule.id}'")
            seen.add(rule.id)


def _filter_problems(selector: Selector | UnsetType, path: tuple[str, ...]) -> Iterator[Problem]:
    if isinstance(selector, UnsetType):
        return
    if selector.mode != "filter":
        message = f"Invalid enum value. Expected 'filter', received '{selector.mode}'"
        yield Problem(path=(*path, "mode"), message=message)
    else:
        yield from _selector_problems(selector, path)


def _selector_problems(selector: Selector, path: tuple[str, ...]) -> Iterator[Problem]:
    if selector.mode == "filter" and selector.values is UNSET:
        yield Problem(path=(*path, "values"), message="Required")
    if selector.mode == "partition" and selector.values is not UNSET:
        yield Problem(path=(*path, "values"), message="'partition' takes no values")


def _with_rule_ids(settings: GatewaySettings) -> GatewaySettings:
    spend, rates = settings.spend_limits, settings.rate_limits
    if isinstance(spend, SpendLimits):
        spend = structs.replace(spend, rules=tuple(map(_with_id, spend.rules)))
    if isinstance(rates, RateLimits):
        rates = structs.replace(rates, rules=tuple(map(_with_id, rates.rules)))
    return structs.replace(settings, spend_limits=spend, rate_limits=rates)


AnyRule = TypeVar("AnyRule", SpendRule, RateRule)


def _with_id(rule: AnyRule) -> AnyRule:
    return rule if isinstance(rule.id, str) else structs.replace(rule, id=hexadecimal(RULE_ID_DIGITS))


def _plain(settings: GatewaySettings) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(settings)
    return plain
