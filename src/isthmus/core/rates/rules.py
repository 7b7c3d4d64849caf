"""A gateway's limits, made ready once: which of them hold for a call, and what it claims of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b

import msgspec
from msgspec import structs

from isthmus.core.call import Call
from isthmus.core.gateway import Gateway, GatewaySettings, RateLimits, RateRule, Selector
from isthmus.core.rates.claim import Claim

ANONYMOUS = "anonymous"
"""Stands for the token of callers who have none."""

MEDIA_MIN_BYTES = 1024
BYTES_PER_TOKEN = 4

SlugOf = Callable[[str], str]
"""The one slug of a provider, however it is spelled."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`claim` is what every call claims, but for its amount where tokens are counted, and for its key where each value
    has a counter of its own. `scope`: whom it is for, in words."""

    claim: Claim
    scope: str
    filters: tuple[Callable[[Call], bool], ...]
    values: tuple[Callable[[Call], str | None], ...]

    @property
    def is_plain(self) -> bool:
        """Whether every call claims the same."""
        return not self.filters and not self.values and self.claim.measure != "tokens"

    def claimed(self, call: Call) -> Claim | None:
        """None: the rule does not count this call."""
        for holds in self.filters:
            if not holds(call):
                return None
        claim = self.claim
        key, amount = claim.key, 1
        if self.values:
            values = [value(call) for value in self.values]
            if None in values:
                return None
            key += f"/{_digest(values)}"
        if claim.measure == "tokens":
            if call.endpoint.counts:
                return None  # its answer is how many they are, and uses none
            amount = estimate(call, claim.limit)
        return Claim(
            key=key,
            measure=claim.measure,
            limit=claim.limit,
            amount=amount,
            window_seconds=claim.window_seconds,
            technique=claim.technique,
        )


def rules_of(gateway: Gateway, slug_of: SlugOf) -> tuple[Rule, ...]:
    """A counter is known by what it counts, not by its rule's id or limit: it goes on counting where the same rules are
    written anew, and of two that count alike the lower limit is all that can ever hold."""
    found: dict[str, Rule] = {}
    for rule in _written(gateway.settings):
        place = f"{gateway.account_id}/{gateway.id}/{_digest(structs.replace(rule, id='', limit=1))}"
        known = found.get(place)
        if known is None or rule.limit < known.claim.limit:
            found[place] = _rule(rule, place, slug_of)
    return tuple(found.values())


def estimate(call: Call, limit: int) -> int:
    """How many tokens a prompt has, roughly: its bytes by four. Where that is more than may be used at all, long texts
    without a space, which are files, do not count. What is not read here at all takes the whole limit at most: it is
    let through when nothing else is."""
    if call.body is None:
        size = call.request_size or (0 if call.incoming is None else call.incoming.length or 0)
        return max(1, min(limit, size // BYTES_PER_TOKEN))
    data = call.body.data
    tokens = len(data) // BYTES_PER_TOKEN
    if tokens > limit:
        texts = data.split(b'"')
        files = [text for text in texts if len(text) >= MEDIA_MIN_BYTES and b" " not in text and text.isascii()]
        tokens = (len(data) - sum(map(len, files))) // BYTES_PER_TOKEN
    return max(1, tokens)


def _written(settings: GatewaySettings) -> Iterator[RateRule]:
    """The one limit that the public API has, as a rule, and ours."""
    limit, seconds = settings.rate_limiting_limit, settings.rate_limiting_interval
    if limit and seconds:
        technique = settings.rate_limiting_technique or "fixed"
        yield RateRule(limit=limit, limitType="requests", window=seconds, technique=technique)
    limits = settings.rate_limits
    if isinstance(limits, RateLimits) and limits.enabled:
        yield from (rule for rule in limits.rules if rule.enabled)


def _rule(rule: RateRule, key: str, slug_of: SlugOf) -> Rule:
    filters: list[Callable[[Call], bool]] = []
    values: list[Callable[[Call], str | None]] = []
    scope: list[str] = []
    for name, selector, value, among in _selected(rule, slug_of):
        scope.append(f"{'each' if selector.mode == 'partition' else 'this'} {name}")
        if selector.mode == "partition":
            values.append(value)
        else:
            filters.append(among)
    claim = Claim(
        key=key,
        measure=rule.limitType,
        limit=rule.limit,
        window_seconds=rule.window or 0,
        technique=rule.technique,
    )
    words = f" for {' and '.join(scope)}" if scope else ""
    return Rule(claim=claim, scope=words, filters=tuple(filters), values=tuple(values))


def _selected(
    rule: RateRule, slug_of: SlugOf
) -> Iterator[tuple[str, Selector, Callable[[Call], str | None], Callable[[Call], bool]]]:
    """For each selector its name, how a call's value is found, and whether that is among the selector's."""
    if rule.token:
        yield "token", rule.token, _token, _is_one_of(_token, frozenset(rule.token.values or ()))
    if rule.model:
        yield "model", rule.model, _model, _is_model(rule.model.values or ())
    if rule.provider:
        slugs = frozenset(map(slug_of, rule.provider.values or ()))
        yield "provider", rule.provider, _provider, _is_one_of(_provider, slugs)
    for key, selector in (rule.metadata or {}).items():
        entry = _metadata(key)
        yield f"metadata `{key}`", selector, entry, _is_one_of(entry, frozenset(selector.values or ()))


def _token(call: Call) -> str | None:
    return ANONYMOUS if call.token is None else call.token.id


def _model(call: Call) -> str | None:
    """None where a provider's own path names none."""
    return None if call.target is None else call.target.name or None


def _provider(call: Call) -> str | None:
    return None if call.target is None else call.target.provider


def _metadata(key: str) -> Callable[[Call], str | None]:
    def entry(call: Call) -> str | None:
        """The value as text, in JSON's words; null is none."""
        value = call.options.metadata_values.get(key)
        if value is None or isinstance(value, str):
            return value
        return msgspec.json.encode(value).decode()

    return entry


def _is_one_of(value: Callable[[Call], str | None], values: frozenset[str]) -> Callable[[Call], bool]:
    return lambda call: value(call) in values


def _is_model(names: tuple[str, ...]) -> Callable[[Call], bool]:
    """By the names that a token may be bound to: any of the model's, in any case, or the beginning of one and `*`. With
    dots or with hyphens: nobody gets around a limit by the other ones."""
    lower = [_folded(name) for name in names]
    exact = frozenset(lower)
    beginnings = tuple(name[:-1] for name in lower if name.endswith("*"))

    def holds(call: Call) -> bool:
        spelled = [] if call.target is None else [_folded(name) for name in call.model_names]
        return any(name in exact or name.startswith(beginnings) for name in spelled)

    return holds


def _folded(name: str) -> str:
    return name.lower().replace(".", "-")


def _digest(value: object) -> str:
    """Keys are short, whatever callers send, and show nobody what that was."""
    return blake2b(msgspec.json.encode(value, order="sorted"), digest_size=16).hexdigest()
