"""Which models can be called: the built-in providers, isthmus.toml over them, and the local model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from isthmus.configuration.declared import CREDENTIAL_FORMS, Declared, ModelDeclared, ProviderDeclared, read_credential
from isthmus.core.attempt import Headers, Located
from isthmus.local import embedding, weights
from isthmus.local.model import LocalModel
from isthmus.local.supervisor import LocalModels
from isthmus.providers.access import Access, Misconfigured
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.cloud.aws_bedrock import AWS_BEDROCK
from isthmus.providers.models import ModelTable, PlatformModel, Traits, name_alone
from isthmus.providers.provider import (
    BEARER,
    COMPATIBLE,
    JSON,
    USER_AGENT,
    Auth,
    Place,
    Provider,
    equip,
)
from isthmus.providers.rows.anthropic import ANTHROPIC
from isthmus.providers.rows.cohere import COHERE
from isthmus.providers.rows.google_ai_studio import GOOGLE_AI_STUDIO
from isthmus.providers.rows.vectors import with_embeddings
from isthmus.settings import OperatorError
from isthmus.transport.protocol import Transport

LOCAL = "local"
# Below a declared provider's address; the dialects that one can be declared to speak.
PROVIDER_PATHS: Mapping[str, Place] = {
    "openai_chat": Place("chat/completions"),
    "openai_responses": Place("responses"),
    "anthropic_messages": ANTHROPIC.paths["anthropic_messages"],
    "gemini": GOOGLE_AI_STUDIO.paths["gemini"],
    "bedrock_converse": AWS_BEDROCK.paths["bedrock_converse"],
    "cohere_chat": COHERE.paths["cohere_chat"],
    "openai_completions": Place("completions"),
}
# Beside a declared dialect, the embeddings that the same servers give.
_EMBEDDINGS: Mapping[str, Mapping[str, Place]] = {
    "openai_chat": {"openai_embeddings": Place("embeddings")},
    "openai_responses": {"openai_embeddings": Place("embeddings")},
    "openai_completions": {"openai_embeddings": Place("embeddings")},
    "gemini": with_embeddings(GOOGLE_AI_STUDIO).embeddings,
    "cohere_chat": with_embeddings(COHERE).embeddings,
}
_AUTH: Mapping[str, Auth] = {"anthropic_messages": ANTHROPIC.auth, "gemini": GOOGLE_AI_STUDIO.auth}


def provider_table(
    declared: Declared, environment: Mapping[str, str], transport: Transport | None = None
) -> dict[str, Provider]:
    """`transport`: what access tokens are fetched through. Raises `OperatorError` where a provider that isthmus.toml
    declares cannot be called as it says; one that nobody declares says so when it is called."""
    table: dict[str, Provider] = {}
    for row in BUILT_IN:
        if row.slug not in declared.providers:
            table[row.slug] = _as_usual(row, Access(environment=environment, transport=transport))
    built_in = {row.slug: row for row in BUILT_IN}
    for slug, entry in declared.providers.items():
        named = None if entry.dialect is not None else built_in.get(slug)
        try:
            table[slug] = equip(
                named or _new(slug, entry.dialect or "openai_chat"), _access(slug, entry, environment, transport)
            )
        except Misconfigured as error:
            raise OperatorError(f"[providers.{slug}]: {error}") from error
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
    models[embedding.NAME] = embedding.embedding_model()  # for the semantic cache, too, where the name leads elsewhere
    for name, entry in declared.models.items():
        if entry.file is not None:
            model = LocalModel(file=Path(entry.file))
            if entry.context_tokens is not None:
                model = msgspec.structs.replace(model, context_tokens=entry.context_tokens)
            models[name] = model
    return LocalModels(models)


def model_table(
    declared: Declared,
    environment: Mapping[str, str],
    local: LocalModels,
    transport: Transport | None = None,
    traits: Traits = name_alone,
) -> ModelTable:
    """`transport`: what access tokens are fetched through. `traits`: what is known of the models. Raises
    `OperatorError`."""
    platform: dict[str, PlatformModel] = {}
    for row in weights.CATALOGUE:
        platform[row.model.lower()] = _served_here(local, row.model)
    platform[embedding.NAME] = PlatformModel(
        provider=LOCAL, model=embedding.NAME, locate=embeddings_address(local), embeds=True
    )
    for name, entry in declared.models.items():
        platform[name.lower()] = _served(local, name, entry)
    return ModelTable(provider_table(declared, environment, transport), platform, traits)


def _served(local: LocalModels, name: str, entry: ModelDeclared) -> PlatformModel:
    if entry.provider is None:
        return _served_here(local, name)
    return PlatformModel(provider=entry.provider, model=entry.name or name)


def _served_here(local: LocalModels, name: str) -> PlatformModel:
    return PlatformModel(provider=LOCAL, model=name, locate=_locate(local, name))


def embeddings_address(local: LocalModels) -> Callable[[], Awaitable[Located]]:
    """Of the local embedding model, started where need be."""
    return _locate(local, embedding.NAME, "embeddings")


def _locate(local: LocalModels, name: str, path: str = "chat/completions") -> Callable[[], Awaitable[Located]]:
    async def locate() -> Located:
        address = await local.address(name)
        key = (b"authorization", b"Bearer " + address.api_key.encode())
        return Located(url=address.base_url + path, headers=(JSON, USER_AGENT, key))

    return locate


def _as_usual(row: Provider, access: Access) -> Provider:
    """Credentials may lie in the environment for other programs: what is wrong with them stops nobody."""
    try:
        return equip(row, access)
    except Misconfigured as error:
        return msgspec.structs.replace(row, refusal=f"The provider {row.slug} cannot be called: {error}.")


def _access(slug: str, entry: ProviderDeclared, environment: Mapping[str, str], transport: Transport | None) -> Access:
    return Access(
        environment=environment,
        base_url=entry.base_url,
        credential=read_credential(entry.credential, environment) if entry.credential else None,
        usual_credential=entry.credential is None,
        headers=_headers(slug, entry, environment),
        allow_private_address=entry.allow_private_address,
        region=entry.region,
        project=entry.project,
        api_version=entry.api_version,
        transport=transport,
    )


def _headers(slug: str, entry: ProviderDeclared, environment: Mapping[str, str]) -> Headers:
    """One whose variable is not set is left out, as a credential is."""
    found = []
    for name, form in entry.headers.items():
        value = read_credential(form, environment) if form.startswith(CREDENTIAL_FORMS) else form
        if value is not None:
            if not value.isascii() or not value.isprintable():
                raise OperatorError(f"[providers.{slug}]: the value of {name} holds characters that no header may hold")
            found.append((name.lower().encode(), value.encode()))
    return tuple(found)


def _new(slug: str, dialect: str) -> Provider:
    return Provider(
        slug=slug,
        paths={dialect: msgspec.structs.replace(PROVIDER_PATHS[dialect], count=None)},  # few servers count
        embeddings=_EMBEDDINGS.get(dialect, {}),
        variants=COMPATIBLE,
        auth=_AUTH.get(dialect, BEARER),
        needs_credential=False,
        custom=True,
    )
