"""What callers ask of the gateway itself, in headers and in their place: every value within its bounds, and whatever
was not taken as it stood is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.call import NO_OPTIONS, CallOptions
from isthmus.data_plane.options.body import CONFIG, CONFIG_SPELLED, run_layer
from isthmus.data_plane.options.headers import (
    ALIASES,
    HEADERS,
    NAME_MAX_CHARACTERS,
    NOTICES_MAX,
    UNBUILT,
    Layer,
    read_layers,
    read_options,
)
from isthmus.data_plane.options.metadata import METADATA_MAX_BYTES
from isthmus.data_plane.options.values import CACHE_KEY_MAX_CHARACTERS, CACHE_TTL_MAX_SECONDS, EVENT_ID_MAX
from isthmus.data_plane.send import FIDELITY_MAX_CHARACTERS, receipt

few = settings(max_examples=150, deadline=None, database=None)


def told(options: CallOptions) -> list[tuple[str, str]]:
    return [(notice.fate, notice.field) for notice in options.notices]


# A header by its name without `cf-aig-`, its value, what of `CallOptions` is looked at, what is found there, its fate.
ONE: list[tuple[str, bytes, str, Any, str]] = [
    ("cache-ttl", b"60", "cache_ttl", 60, ""),
    ("cache-ttl", b" 0300 ", "cache_ttl", 300, ""),
    ("cache-ttl", b"0", "cache_ttl", 0, ""),
    ("cache-ttl", b"2592000", "cache_ttl", CACHE_TTL_MAX_SECONDS, ""),
    ("cache-ttl", b"1", "cache_ttl", 60, "clamped"),
    ("cache-ttl", b"59", "cache_ttl", 60, "clamped"),
    ("cache-ttl", b"2592001", "cache_ttl", CACHE_TTL_MAX_SECONDS, "clamped"),
    ("cache-ttl", b"9" * 100, "cache_ttl", CACHE_TTL_MAX_SECONDS, "clamped"),
    ("cache-ttl", b"9" * 60_000, "cache_ttl", None, "ignored"),
    ("cache-ttl", b"-1", "cache_ttl", None, "ignored"),
    ("cache-ttl", b"+60", "cache_ttl", None, "ignored"),
    ("cache-ttl", b"60.5", "cache_ttl", None, "ignored"),
    ("cache-ttl", b"1e3", "cache_ttl", None, "ignored"),
    ("cache-ttl", b"an hour", "cache_ttl", None, "ignored"),
    ("cache-ttl", b"", "cache_ttl", None, "ignored"),
    ("cache-ttl", "\uff16\uff10".encode(), "cache_ttl", None, "ignored"),
    ("cache-key", b" my key ", "cache_key", "my key", ""),
    ("cache-key", "ключ".encode(), "cache_key", "ключ", ""),
    ("cache-key", b"caf\xe9", "cache_key", "café", ""),
    ("cache-key", b"k" * CACHE_KEY_MAX_CHARACTERS + b" ", "cache_key", "k" * CACHE_KEY_MAX_CHARACTERS, ""),
    ("cache-key", b"k" * (CACHE_KEY_MAX_CHARACTERS + 1), "cache_key", None, "ignored"),
    ("cache-key", b" \t", "cache_key", None, "ignored"),
    ("skip-cache", b"TRUE", "skip_cache", True, ""),
    ("skip-cache", b" false ", "skip_cache", False, ""),
    ("skip-cache", b"1", "skip_cache", False, "ignored"),
    ("collect-log", b"no", "collect_log", None, "ignored"),
    ("collect-log-payload", b"0", "collect_log_payload", True, "ignored"),
    ("resumable", b"True", "resumable", True, ""),
    ("resumable", b"yes", "resumable", False, "ignored"),
    ("fidelity", b" Strict", "strict_fidelity", True, ""),
    ("fidelity", b"loose", "strict_fidelity", False, "ignored"),
    ("gateway-id", b"team-a", "gateway_id", "team-a", ""),
    ("gateway-id", b" ", "gateway_id", None, "ignored"),
    ("event-id", b"a b", "event_id", None, "ignored"),
    ("event-id", b"e" * (EVENT_ID_MAX + 1), "event_id", None, "ignored"),
    ("request-timeout", b"250", "request_timeout_seconds", 0.25, ""),
    ("request-timeout", b"0", "request_timeout_seconds", None, "ignored"),
    ("request-timeout", b"3600001", "request_timeout_seconds", 3600.0, "clamped"),
    ("max-attempts", b"6", "max_attempts", 5, "clamped"),
    ("max-attempts", b"0", "max_attempts", None, "ignored"),
    ("retry-delay", b"0", "retry_delay_seconds", 0.0, ""),
    ("retry-delay", b"60001", "retry_delay_seconds", 60.0, "clamped"),
    ("retry-delay", b"1s", "retry_delay_seconds", None, "ignored"),
    ("backoff", b"LINEAR", "backoff", "linear", ""),
    ("backoff", b"sideways", "backoff", None, "ignored"),
    ("metadata", b'{"a": {"b": 1}}', "metadata", None, "ignored"),
    ("metadata", b"{not json", "metadata", None, "ignored"),
    ("metadata", b'{"a": 1e999}', "metadata", None, "ignored"),
    ("metadata", b'{"a":' + b"1" * 5000 + b"}", "metadata", None, "ignored"),
    ("metadata", b'{"a": "' + b"x" * METADATA_MAX_BYTES + b'"}', "metadata", None, "ignored"),
    ("metadata", b'{"a": 9007199254740992}', "metadata", '{"a":"9007199254740992"}', "clamped"),
    ("metadata", b"{}", "metadata", None, ""),
]


@pytest.mark.parametrize(("name", "value", "field", "meant", "fate"), ONE, ids=lambda value: str(value)[:20])
def test_one_header(name: str, value: bytes, field: str, meant: Any, fate: str) -> None:
    header = f"cf-aig-{name}"
    options = read_options({b"host": b"x", header.encode(): value})
    assert getattr(options, field) == meant
    assert told(options) == ([(fate, header)] if fate else [])
    text = value.decode("latin-1").strip()
    assert all(len(text) < 4 or text not in notice.why for notice in options.notices)


def test_56_all_that_happens_to_metadata_is_told() -> None:
    entries = {"cf.user_id": "u", "cf.x": 1, "nested": {}, "list": [], **{str(number): number for number in range(100)}}
    options = read_options({b"cf-aig-metadata": msgspec.json.encode(entries)})
    assert options.metadata_values == {"0": 0, "1": 1, "2": 2, "3": 3, "4": 4}
    assert options.metadata == '{"0":0,"1":1,"2":2,"3":3,"4":4}'
    assert [notice.why for notice in options.notices] == [
        "keys that begin with cf. are left out",
        "objects and arrays in it are left out",
        "only the first 5 entries are kept",
    ]


@pytest.mark.parametrize(("older", "newer"), ALIASES.items())
def test_older_names(older: bytes, newer: bytes) -> None:
    good, other = (b"300", b"600") if b"ttl" in older else (b"true", b"false")
    assert read_options({older: good}) == read_options({newer: good}) != NO_OPTIONS
    both = read_options({older: other, newer: good})
    assert msgspec.structs.replace(both, notices=()) == read_options({newer: good})
    assert told(both) == [("ignored", older.decode())]
    assert told(read_options({older: good, newer: good})) == []
    repaired = read_options({newer: b"?", older: good})
    assert msgspec.structs.replace(repaired, notices=()) == read_options({older: good})
    assert told(repaired) == [("ignored", newer.decode())]


def test_what_is_not_ours_costs_nothing() -> None:
    assert read_options({b"cf-ray": b"1", b"cf-connecting-ip": b"::1", b"accept": b"*/*"}) is NO_OPTIONS
    assert read_options({b"cf-aig-authorization": b"Bearer secret", b"cf-ray": b"1"}) is NO_OPTIONS


def test_headers_without_effect_are_told_by_name_alone() -> None:
    for name in UNBUILT:
        (notice,) = read_options({name: b"secret"}).notices
        assert notice.field == name.decode() and notice.why == "it has no effect yet"
    (notice,) = read_options({b"cf-aig-cache-tll": b"secret"}).notices
    assert (notice.fate, notice.field, notice.why) == ("ignored", "cf-aig-cache-tll", "there is no such header")
    (notice,) = read_options({b"cf-aig-" + b"x" * 5000: b""}).notices
    assert len(notice.field) == NAME_MAX_CHARACTERS


def test_notices_are_few_and_those_of_known_headers_come_first() -> None:
    made_up = {b"cf-aig-a%d" % number: b"" for number in range(5000)}
    options = read_options({**made_up, b"cf-aig-cache-ttl": b"soon"})
    assert len(options.notices) == NOTICES_MAX and options.notices[0].field == "cf-aig-cache-ttl"
    assert len(receipt(options.notices)) <= FIDELITY_MAX_CHARACTERS


CONTRADICTIONS: list[tuple[dict[str, str], list[str]]] = [
    ({"cache-ttl": "0", "cache-key": "k"}, ["cache-key"]),
    ({"cache-ttl": "0", "skip-cache": "true"}, ["skip-cache"]),
    ({"cache-ttl": "0", "skip-cache": "false"}, []),
    ({"cache-ttl": "300", "cache-key": "k", "skip-cache": "true"}, []),
    ({"collect-log": "false", "collect-log-payload": "true"}, ["collect-log-payload"]),
    ({"collect-log": "false", "collect-log-payload": "false"}, []),
]


@pytest.mark.parametrize(("said", "idle"), CONTRADICTIONS)
def test_contradictions(said: dict[str, str], idle: list[str]) -> None:
    options = read_options({f"cf-aig-{name}".encode(): value.encode() for name, value in said.items()})
    assert told(options) == [("ignored", f"cf-aig-{name}") for name in idle]
    assert (options.cache_ttl, options.cache_key, options.skip_cache) == (
        int(said["cache-ttl"]) if "cache-ttl" in said else None,
        said.get("cache-key"),
        said.get("skip-cache") == "true",
    )


def test_15_a_sound_value_further_up_goes_before_one_below() -> None:
    config = Layer({b"cf-aig-cache-ttl": b"120", b"cf-aig-skip-cache": b"[1]"}, CONFIG_SPELLED)
    step = Layer({b"cf-aig-cache-ttl": b"240", b"cf-aig-skip-cache": b"true"})
    outer = Layer({b"cf-aig-cache-ttl": b"480", b"cf-aig-skip-cache": b"false", b"cf-aig-backoff": b"linear"})
    options = read_layers(config, step, outer)
    assert (options.cache_ttl, options.skip_cache, options.backoff) == (120, True, "linear")
    assert told(options) == [("ignored", "config.skipCache")]
    older = read_layers(config, Layer({b"cf-cache-ttl": b"240"}), outer)
    assert older.cache_ttl == 120 and told(older) == [("ignored", "config.skipCache")]


# `options` of /ai/run.

ALL_OF_THEM = {
    "id": "team-a",
    "skipCache": True,
    "cacheTtl": 300,
    "cacheKey": "ключ",
    "collectLog": False,
    "metadata": {"team": "red"},
    "eventId": "event-1",
    "requestTimeoutMs": 1500,
    "retries": {"maxAttempts": 2, "retryDelayMs": 100, "backoff": "linear"},
}
THE_SAME = CallOptions(
    gateway_id="team-a",
    skip_cache=True,
    cache_ttl=300,
    cache_key="ключ",
    collect_log=False,
    metadata='{"team":"red"}',
    metadata_values={"team": "red"},
    event_id="event-1",
    request_timeout_seconds=1.5,
    max_attempts=2,
    retry_delay_seconds=0.1,
    backoff="linear",
)


def run(options: Any, headers: dict[bytes, bytes] | None = None) -> CallOptions:
    given = options if isinstance(options, bytes) else msgspec.json.encode(options)
    return read_layers(Layer(headers or {}), run_layer(given))


def test_a_body_says_what_headers_say() -> None:
    assert run({"gateway": ALL_OF_THEM}) == THE_SAME
    as_texts = {
        **ALL_OF_THEM,
        "skipCache": "TRUE",
        "cacheTtl": "300",
        "metadata": '{"team": "red"}',
        "collectLog": "no",
    }
    assert run({"gateway": as_texts}) == msgspec.structs.replace(
        THE_SAME, collect_log=None, notices=run({"gateway": as_texts}).notices
    )
    for nothing in ({}, None, {"gateway": None}, {"gateway": {"retries": None, "cacheTtl": None}}):
        assert run(nothing) == NO_OPTIONS


BODIES: list[tuple[Any, list[tuple[str, str]]]] = [
    ([], [("ignored", "options")]),
    ("x", [("ignored", "options")]),
    ({"gateway": "team-a"}, [("ignored", "options.gateway")]),
    ({"gateway": {"retries": 3}}, [("ignored", "options.gateway.retries")]),
    ({"gateway": {"cacheTtl": 5}}, [("clamped", "options.gateway.cacheTtl")]),
    ({"gateway": {"cacheTtl": -5}}, [("ignored", "options.gateway.cacheTtl")]),
    ({"gateway": {"cacheTtl": 300.5}}, [("ignored", "options.gateway.cacheTtl")]),
    ({"gateway": {"cacheTtl": [300]}}, [("ignored", "options.gateway.cacheTtl")]),
    ({"gateway": {"skipCache": 1}}, [("ignored", "options.gateway.skipCache")]),
    ({"gateway": {"cacheKey": 5}}, [("ignored", "options.gateway.cacheKey")]),
    ({"gateway": {"cacheKey": "k" * 10_000_000}}, [("ignored", "options.gateway.cacheKey")]),
    ({"gateway": {"id": ["team-a"]}}, [("ignored", "options.gateway.id")]),
    ({"gateway": {"eventId": "with spaces"}}, [("ignored", "options.gateway.eventId")]),
    ({"gateway": {"metadata": [1]}}, [("ignored", "options.gateway.metadata")]),
    ({"gateway": {"retries": {"maxAttempts": 9}}}, [("clamped", "options.gateway.retries.maxAttempts")]),
    ({"gateway": {"cacheTTL": 300}}, [("ignored", "options.gateway.cacheTTL")]),
    ({"background": True, "gateway.id": "x"}, [("ignored", "options.background"), ("ignored", "options.gateway.id")]),
    ({"": {}}, [("ignored", "options.")]),
]


@pytest.mark.parametrize(("options", "notices"), BODIES, ids=lambda value: str(value)[:40])
def test_what_is_malformed_in_a_body(options: Any, notices: list[tuple[str, str]]) -> None:
    found = run(options)
    assert told(found) == notices
    assert found.gateway_id is None and found.cache_key is None


def test_headers_win_field_by_field() -> None:
    headers = {b"cf-aig-gateway-id": b"team-b", b"cf-aig-cache-ttl": b"300", b"cf-aig-backoff": b"?"}
    found = run({"gateway": ALL_OF_THEM}, headers)
    assert (found.gateway_id, found.cache_ttl, found.backoff, found.cache_key) == ("team-b", 300, "linear", "ключ")
    assert told(found) == [("ignored", "cf-aig-backoff"), ("ignored", "options.gateway.id")]


# Whatever comes.


def check_bounds(options: CallOptions) -> None:
    ttl, key, delay, timeout = (
        options.cache_ttl,
        options.cache_key,
        options.retry_delay_seconds,
        options.request_timeout_seconds,
    )
    assert ttl is None or ttl == 0 or 60 <= ttl <= CACHE_TTL_MAX_SECONDS
    assert key is None or 1 <= len(key) <= CACHE_KEY_MAX_CHARACTERS
    assert options.max_attempts is None or 1 <= options.max_attempts <= 5
    assert delay is None or 0 <= delay <= 60
    assert timeout is None or 0 < timeout <= 3600
    assert len(options.metadata_values) <= 5 and len(options.notices) <= NOTICES_MAX
    assert (options.metadata is None) == (not options.metadata_values)
    receipt(options.notices).decode("ascii")


numbers = st.integers(-(10**12), 10**12).map(lambda number: str(number).encode())
objects = st.dictionaries(st.text(max_size=4), st.none() | st.integers() | st.text(max_size=4) | st.lists(st.none()))
raw = st.binary(max_size=60) | numbers | objects.map(msgspec.json.encode) | st.sampled_from([b"true", b"0", b"strict"])
names = st.sampled_from([*HEADERS, *ALIASES, *UNBUILT]) | st.binary(max_size=9).map(lambda end: b"cf-aig-" + end)


@few
@given(st.dictionaries(names, raw, max_size=12), st.dictionaries(st.sampled_from([*CONFIG.values()]), raw))
def test_no_header_breaks_the_reading(headers: dict[bytes, bytes], config: dict[bytes, bytes]) -> None:
    check_bounds(read_options(headers))
    check_bounds(read_layers(Layer(config, CONFIG_SPELLED), Layer(headers)))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
retries = st.dictionaries(st.sampled_from(["maxAttempts", "retryDelayMs", "backoff", ""]), values) | values
options_gateway = st.dictionaries(st.sampled_from([*ALL_OF_THEM, "other", ""]), values | retries) | values


@few
@given(st.dictionaries(st.sampled_from(["gateway", "background", "x"]), options_gateway) | values)
def test_no_body_breaks_the_reading(options: Any) -> None:
    try:
        sent = msgspec.json.encode(options)
    except UnicodeEncodeError:  # half a surrogate pair
        return
    check_bounds(run(sent))
