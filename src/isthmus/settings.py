"""Process settings: one typed table, read once from command-line options over the environment over defaults. The fields
below are that table; options, environment variables and their description all come from it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

ENVIRONMENT_PREFIX = "ISTHMUS_"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")

SECRETS = ("secret_key", "api_token", "database", "redis")
"""Settings whose values are never shown: addresses of databases may hold a password."""

MIB = 1024 * 1024
Bytes = Annotated[int, Meta(ge=1024)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
SecondsOrOff = Annotated[float, Meta(ge=0, le=86400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
AccountId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")]
Secret = Annotated[str, Meta(pattern=r"^[!-~]{8,512}\Z")]
PublicUrl = Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9._:\[\]-]{1,260}(?:/[A-Za-z0-9._~/-]*)?\Z")]


class OperatorError(Exception):
    """A mistake of whoever runs the program: told in one line, with the mend, and never with a traceback."""


def _says(meaning: str, name: str | None = None) -> Meta:
    """The setting's one line; and its name outside, where that is not the field's."""
    return Meta(description=meaning, extra={"name": name} if name else None)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting is the option `--name` and the environment variable `ISTHMUS_NAME`."""

    host: Annotated[str, _says("address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535), _says("port to listen on; 0: one that the system chooses")] = 8787
    data_directory: Annotated[str, _says("directory of the database and the bootstrap file", "data")] = "isthmus-data"
    config_file: Annotated[str | None, _says("declared configuration; default: isthmus.toml if present", "config")] = (
        None
    )
    database: Annotated[str | None, _says("database URL; default: sqlite:///{data}/isthmus.db")] = None
    redis: Annotated[str | None, _says("Redis URL, shared by many workers or machines; default: in memory")] = None
    workers: Annotated[int, Meta(ge=1, le=256), _says("processes that serve")] = 1
    secret_key: Annotated[
        str | None, _says("encrypts stored responses; default: {data}/secret.key, generated where it is needed")
    ] = None
    account_id: Annotated[AccountId | None, _says("id of the first account; default: generated at first start")] = None
    api_token: Annotated[
        Secret | None, _says("API token with every permission on that account; default: generated at first start")
    ] = None
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _says("the program's own log, on stderr")] = (
        "info"
    )
    log_format: Annotated[Literal["text", "json"], _says("how the program's own log is written")] = "text"
    drain_seconds: Annotated[SecondsOrOff, _says("how long calls in flight may take to end at SIGTERM")] = 30.0
    platform_models_without_gateway: Annotated[
        Literal["default", "bypass"] | None,
        _says(
            "@cf/ models called without a gateway header: pass through the gateway 'default', or bypass all gateways"
        ),
    ] = None
    max_gateways_per_account: Annotated[Count, _says("gateways that an account can have")] = 20
    public_url: Annotated[
        PublicUrl | None, _says("address by which callers reach this gateway, where a proxy stands before it")
    ] = None
    resumable_streams: Annotated[
        Literal["off", "asked", "all"],
        _says("streams whose callers can come back for the rest: none, those that ask with cf-aig-resumable, or all"),
    ] = "asked"
    resume_away: Annotated[
        Literal["continue", "stop"], _says("what becomes of such a stream while its caller is away")
    ] = "continue"
    resume_seconds: Annotated[Seconds, _says("how long such a stream is kept after its end")] = 330.0
    resume_max_bytes: Annotated[Bytes, _says("longest such stream; beyond it its caller cannot come back")] = 16 * MIB
    resume_max_runs: Annotated[Count, _says("such streams kept at a time; beyond them streams are ordinary ones")] = (
        1000
    )
    body_max_bytes: Annotated[Bytes, _says("largest request body")] = 32 * MIB
    passed_max_bytes: Annotated[
        Bytes, _says("largest request body that goes through unread, on a provider's own path")
    ] = 100 * MIB
    platform_keys_native: Annotated[
        Literal["known", "all"],
        _says(
            "what of providers' own paths this installation's keys open: those that keep nothing, or all (then whoever "
            "has a token sees everybody's files and jobs)"
        ),
    ] = "known"
    websocket_max_requests: Annotated[
        Count, _says("requests in flight on one WebSocket of a caller; further ones are refused")
    ] = 100
    websocket_idle_seconds: Annotated[Seconds, _says("how long a WebSocket may be open with no request in flight")] = (
        600.0
    )
    websocket_ping_seconds: Annotated[
        SecondsOrOff, _says("how often a silent WebSocket is pinged, and how long its answer may take; 0: never")
    ] = 20.0
    stream_max_bytes: Annotated[Bytes, _says("longest streamed answer; then it is broken off")] = 256 * MIB
    stream_max_seconds: Annotated[Seconds, _says("how long an answer may stream; then it is broken off")] = 7200.0
    media_max_bytes: Annotated[
        Bytes, _says("largest image or document that is fetched for a provider that takes none by address")
    ] = 20 * MIB
    media_private_addresses: Annotated[
        Literal["refuse", "allow"], _says("whether such a file may be fetched from a private network")
    ] = "refuse"
    header_max_bytes: Annotated[Bytes, _says("largest request head")] = 64 * 1024
    answer_max_bytes: Annotated[Bytes, _says("largest answer of a provider that is read whole")] = 64 * MIB
    log_body_bytes: Annotated[int, Meta(ge=0), _says("how much of each payload a log row keeps")] = 256 * 1024
    header_read_seconds: Annotated[Seconds, _says("how long a caller may take to send the request head")] = 15.0
    request_read_seconds: Annotated[Seconds, _says("how long a caller may take to send the request body")] = 60.0
    keep_alive_seconds: Annotated[Seconds, _says("how long an idle connection of a caller is kept")] = 75.0
    stream_keep_alive_seconds: Annotated[
        SecondsOrOff, _says("a silent stream is kept alive by a comment this often; 0: never")
    ] = 15.0
    connect_timeout_seconds: Annotated[Seconds, _says("how long connecting to a provider may take")] = 10.0
    first_byte_timeout_seconds: Annotated[Seconds, _says("how long a provider may take to begin its answer")] = 600.0
    idle_timeout_seconds: Annotated[Seconds, _says("how long a provider may pause within its answer")] = 300.0
    cache_max_bytes: Annotated[
        Bytes, _says("answers kept to be given again, all together; beyond it the longest unused goes")
    ] = 256 * MIB
    cache_entry_max_bytes: Annotated[Bytes, _says("longest request, and longest answer, that is kept so")] = 25 * MIB
    cache_joining_max_bytes: Annotated[
        Bytes, _says("answers on their way that identical calls may still join, all together")
    ] = 64 * MIB
    semantic_cache_max_bytes: Annotated[
        Bytes, _says("questions kept to be found again by their meaning, all together; beyond it the oldest go")
    ] = 64 * MIB
    cache_ttl_header: Annotated[
        Literal["overrides", "enables"],
        _says("whether cf-aig-cache-ttl only overrides a gateway's cache_ttl, or turns the cache on where that is 0"),
    ] = "overrides"
    state_retention_days: Annotated[
        float, Meta(ge=0, le=3650), _says("how long responses and conversations are kept; 0: none are")
    ] = 30.0
    state_max_bytes: Annotated[Bytes, _says("responses and conversations that an account can have in store")] = (
        1024 * MIB
    )
    state_encryption: Annotated[
        Literal["off", "on"], _says("whether stored responses and conversations are encrypted with the secret key")
    ] = "off"
    extra_ca: Annotated[str | None, _says("PEM file of certificate authorities to trust beside the system's")] = None
    max_connections_per_origin: Annotated[Count, _says("connections open to one provider address at a time")] = 1000
    max_concurrent_calls: Annotated[Count, _says("calls served at a time; further ones are refused")] = 10_000

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data_directory}/isthmus.db"

    @property
    def on_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS or self.host.startswith("127.")

    def __repr__(self) -> str:
        """Without the secrets: it may land in a log."""
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in SECRETS)
        return f"Settings({', '.join(shown)})"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table, as options and documentation need it. `type` is what a value is converted to."""

    field: str
    name: str
    meaning: str
    default: Any
    type: Any
    choices: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    def read(self, text: str) -> object:
        """Raises `ValueError` that says what is wrong."""
        try:
            return msgspec.convert(text, self.type, strict=False)
        except msgspec.ValidationError as error:
            expected = f"Expected one of {', '.join(self.choices)}" if self.choices else str(error).replace("`", "")
            raise ValueError(expected if self.field in SECRETS else f"{text!r}: {expected}") from None


@cache
def settings_table() -> tuple[Setting, ...]:
    """Made once, when first needed: it takes 4 ms, and a start asks for it several times."""
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(_setting(field, hints[field.name]) for field in msgspec.structs.fields(Settings))


def read_settings(options: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Settings:
    """`options` by field, None where not given. Raises `OperatorError`."""
    values: dict[str, object] = {}
    for setting in settings_table():
        given = options.get(setting.field)
        if given is None and environment.get(setting.variable):
            try:
                given = setting.read(environment[setting.variable])
            except ValueError as error:
                raise OperatorError(f"{setting.variable}: {error}") from None
        if given is not None:
            values[setting.field] = given
    return msgspec.convert(values, Settings)


def read_account_id(text: str) -> str:
    """The same rule for every way to give one. Raises `OperatorError`."""
    try:
        return msgspec.convert(text, AccountId)
    except msgspec.ValidationError:
        raise OperatorError(
            f"{text!r} is no account id: 1 to 64 letters, digits, '_', '-' and '.', the first a letter, a digit or '_'"
        ) from None


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that look like ours and are not: most likely misspelt."""
    known = {setting.variable for setting in settings_table()}
    return sorted(name for name in environment if name.startswith(ENVIRONMENT_PREFIX) and name not in known)


def check_supported(settings: Settings) -> None:
    """Refuses what this version cannot do, with the reason."""
    if settings.redis is not None:
        raise OperatorError("--redis: Redis is not supported yet; leave it out, counters and cache are in memory")
    if not settings.database_url.startswith("sqlite:"):
        raise OperatorError("--database: only sqlite:///FILE is supported yet")
    if settings.workers > 1:
        raise OperatorError(
            f"--workers {settings.workers}: more than one worker needs Redis and Postgres to share counters, cache and "
            "configuration, and neither is supported yet; use --workers 1"
        )


def _setting(field: msgspec.structs.FieldInfo, hint: Any) -> Setting:
    says = next(meta for meta in hint.__metadata__ if isinstance(meta, Meta) and meta.description)
    return Setting(
        field=field.name,
        name=(says.extra or {}).get("name", field.name),
        meaning=says.description or "",
        default=field.default,
        type=hint,
        choices=_choices(hint),
    )


def _choices(hint: Any) -> tuple[str, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((found for each in get_args(hint) if (found := _choices(each))), ())
