"""Which models can be called: the built-in providers, isthmus.toml over them, and the local model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from isthmus.configuration.declared import Declared, ModelDeclared, ProviderDeclared, read_credential
from isthmus.core.attempt import Located
from isthmus.local import weights
from isthmus.local.model import LocalModel
from isthmus.local.supervisor import LocalModels
from isthmus.providers.anthropic import ANTHROPIC
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.models import ModelTable, PlatformModel
from isthmus.providers.provider import COMPATIBLE, JSON, TRACING, USER_AGENT, Provider

LOCAL = "local"
# Below a declared provider's address; the dialects that one can be declared to speak.
PROVIDER_PATHS = {
    "openai_chat": "chat/completions",
    "openai_responses": "responses",
    "anthropic_messages": "v1/messages",
}


def provider_table(declared: Declared, environment: Mapping[str, str]) -> dict[str, Provider]:
    """Raises `OperatorError` where a credential file cannot be read."""
    table = {row.slug: _with_credential(row, environment) for row in BUILT_IN}
    for slug, entry in declared.providers.items():
        row = table.get(slug)
        table[slug] = _new(slug, entry, environment) if row is None else _changed(row, entry, environment)
    return table


def local_models(declared: Declared, data_directory: Path) -> LocalModels:
    """The catalogue's models, fetched or not (a call says how to fetch one), and the files that the operator names."""
    models = {
        row.model: LocalModel(
            file=weights.path_of(row, data_directory), context_tokens=row.context_tokens, fetch_name=row.name
        )
        for row in weights.CATALOGUE
        if row.model not in declared.models
    }
    for name, entry in declared.models.items():
        if entry.file is not None:
            model = LocalModel(file=Path(entry.file))
            if entry.context_tokens is not None:
                model = msgspec.structs.replace(model, context_tokens=entry.context_tokens)
            models[name] = model
    return LocalModels(models)


def model_table(declared: Declared, environment: Mapping[str, str], local: LocalModels) -> ModelTable:
    platform: dict[str, PlatformModel] = {}
    for row in weights.CATALOGUE:
        platform[row.model.lower()] = _served_here(local, row.model)
    for name, entry in declared.models.items():
        platform[name.lower()] = _served(local, name, entry)
    return ModelTable(provider_table(declared, environment), platform)


def _served(local: LocalModels, name: str, entry: ModelDeclared) -> PlatformModel:
    if entry.provider is None:
        return _served_here(local, name)
    return PlatformModel(provider=entry.provider, model=entry.name or name)


def _served_here(local: LocalModels, name: str) -> PlatformModel:
    return PlatformModel(provider=LOCAL, model=name, locate=_locate(local, name))


def _locate(local: LocalModels, name: str) -> Callable[[], Awaitable[Located]]:
    async def locate() -> Located:
        address = await local.address(name)
        key = (b"authorization", b"Bearer " + address.api_key.encode())
        return Located(url=address.base_url + "chat/completions", headers=(JSON, USER_AGENT, key))

    return locate


def _with_credential(row: Provider, environment: Mapping[str, str]) -> Provider:
    return msgspec.structs.replace(row, credential=environment.get(row.credential_variable or "") or None)


def _changed(row: Provider, entry: ProviderDeclared, environment: Mapping[str, str]) -> Provider:
    return msgspec.structs.replace(
        row,
        base_url=entry.base_url or row.base_url,
        credential=read_credential(entry.credential, environment) if entry.credential else row.credential,
        allow_private_address=entry.allow_private_address,
    )


def _new(slug: str, entry: ProviderDeclared, environment: Mapping[str, str]) -> Provider:
    dialect = entry.dialect or "openai_chat"
    return Provider(
        slug=slug,
        base_url=entry.base_url or "",
        paths={dialect: PROVIDER_PATHS[dialect]},
        credential_header="x-api-key" if dialect == "anthropic_messages" else "authorization",
        credential=read_credential(entry.credential, environment) if entry.credential else None,
        needs_credential=False,
        variants=COMPATIBLE,
        forward=ANTHROPIC.forward if dialect == "anthropic_messages" else TRACING,
        allow_private_address=entry.allow_private_address,
    )
