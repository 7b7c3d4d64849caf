"""What is wrong with a declaration whose every field is sound by itself: names that lead nowhere, addresses that would
be refused, files that are not there.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from isthmus.configuration.declared import CREDENTIAL_FORMS, Declared, ModelDeclared, ProviderDeclared
from isthmus.validation.custom_provider import FRAMING, HEADER_NAME
from isthmus.validation.effect import idle

# Whose they are; for any other provider they say nothing.
CLOUD_FIELDS = {
    "region": ("aws-bedrock", "google-vertex-ai"),
    "project": ("google-vertex-ai",),
    "api_version": ("azure-openai",),
}
_CUSTOM = re.compile(r"custom-", re.IGNORECASE)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What this build brings along: names of providers and of dialects."""

    providers: frozenset[str]
    dialects: frozenset[str]


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """`path` as in the file."""

    path: tuple[str, ...]
    message: str
    warning: bool = False


def remarks(declared: Declared, known: Known, environment: Mapping[str, str] = os.environ) -> Iterator[Remark]:
    for name, provider in declared.providers.items():
        yield from _of_provider(name, provider, known, environment)
    providers = known.providers | declared.providers.keys()
    for name, model in declared.models.items():
        yield from _of_model(name, model, providers)
    yield from _idle(declared)


def without_effect(declared: Declared) -> list[str]:
    """What is declared and does nothing yet, for the log at start."""
    return [f"{'.'.join(remark.path)} {remark.message}" for remark in _idle(declared)]


def _idle(declared: Declared) -> Iterator[Remark]:
    if declared.prices:
        yield Remark(path=("prices",), message="is read but has no effect yet", warning=True)
    for name, settings in declared.gateways.items():
        for field, why in idle(settings).items():
            yield Remark(path=("gateways", name, field), message=why, warning=True)


def _of_provider(
    name: str, provider: ProviderDeclared, known: Known, environment: Mapping[str, str]
) -> Iterator[Remark]:
    path = ("providers", name)
    if name not in known.providers:
        for field in ("dialect", "base_url"):
            if getattr(provider, field) is None:
                yield Remark(path=path, message=f"'{name}' is not a built-in provider: it needs {field}")
    if provider.dialect is not None and name in known.providers and provider.base_url is None:
        yield Remark(path=(*path, "dialect"), message=f"'{name}' is built in, and so is what it speaks: leave it out")
    elif provider.dialect is not None and provider.dialect not in known.dialects:
        message = f"no dialect '{provider.dialect}'; known are {', '.join(sorted(known.dialects))}"
        yield Remark(path=(*path, "dialect"), message=message)
    if provider.base_url is not None:
        yield from _of_address(provider.base_url, provider.allow_private_address, (*path, "base_url"))
    if provider.credential is not None:
        yield from _of_credential(provider.credential, (*path, "credential"), environment)
    if _CUSTOM.match(name) or "/" in name or name != name.strip() or not name:
        yield Remark(path=path, message="a provider's name has no slash in it, and does not begin with custom-")
    for field, slugs in CLOUD_FIELDS.items():
        if getattr(provider, field) is not None and name not in slugs:
            yield Remark(path=(*path, field), message=f"is for {' and '.join(slugs)} alone")
    for header, value in provider.headers.items():
        yield from _of_header(header, value, (*path, "headers", header), environment)


def _of_header(name: str, value: str, path: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[Remark]:
    if not HEADER_NAME.fullmatch(name):
        yield Remark(path=path, message="is no name of a header")
    elif name.lower() in FRAMING:
        yield Remark(path=path, message="is set by the gateway itself")
    if value.startswith(CREDENTIAL_FORMS):
        yield from _of_credential(value, path, environment)
    elif not value.isascii() or not value.isprintable() or value != value.strip():
        yield Remark(path=path, message="must be visible ASCII, or env:NAME or file:PATH")


def _of_address(base_url: str, allow_private: bool, path: tuple[str, ...]) -> Iterator[Remark]:
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        yield Remark(path=path, message=f"not a URL: {error}")
        return
    if parts.scheme not in ("http", "https") or not host:
        yield Remark(path=path, message=f"'{base_url}' must begin with http:// or https:// and name a host")
    elif parts.query or parts.fragment or parts.username:
        yield Remark(path=path, message="must have no query, fragment or user name; keys belong in credential")
    elif not allow_private and _is_private(host):
        message = f"{host} is a private address, which is refused: add allow_private_address = true"
        yield Remark(path=path, message=message)


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False  # a name: its addresses are judged when it is connected to


def _of_credential(form: str, path: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[Remark]:
    kind, _, place = form.partition(":")
    if f"{kind}:" not in CREDENTIAL_FORMS or not place:
        yield Remark(path=path, message="must be env:NAME or file:PATH, never the key itself")
    elif kind == "env" and not environment.get(place):
        yield Remark(path=path, message=f"the environment variable {place} is not set", warning=True)
    elif kind == "file" and not Path(place).is_file():
        yield Remark(path=path, message=f"there is no file {place}")


def _of_model(name: str, model: ModelDeclared, providers: frozenset[str]) -> Iterator[Remark]:
    path = ("models", name)
    if not name.startswith("@") or name.count("/") < 2:
        yield Remark(path=path, message="a platform model is named @cf/author/model")
    if model.file is not None and (model.provider is not None or model.name is not None):
        yield Remark(path=path, message="give either file, or provider and name, not both")
    elif model.file is None and (model.provider is None or model.name is None):
        yield Remark(path=path, message="needs provider and name, or file")
    if model.provider is not None and model.provider not in providers:
        message = f"no provider '{model.provider}': declare it as [providers.{model.provider}]"
        yield Remark(path=(*path, "provider"), message=message)
    if model.file is not None and not Path(model.file).is_file():
        yield Remark(path=(*path, "file"), message=f"there is no file {model.file}")
