"""Providers that accounts declare by the API, as models are found among them."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.configuration.declared import NOTHING
from isthmus.core.chat.model import Model
from isthmus.core.custom_provider import CustomProvider
from isthmus.core.snapshot import Snapshot
from isthmus.errors import NotFound
from isthmus.local.supervisor import LocalModels
from isthmus.providers.custom import account_models
from isthmus.targets import model_table

EVERYBODYS = model_table(NOTHING, {"OPENAI_API_KEY": "sk"}, LocalModels({}))


def custom(**given: Any) -> CustomProvider:
    values = {"id": "1", "account_id": "a", "name": "Near", "slug": "near", "base_url": "https://near.example/v1"}
    return CustomProvider(**{**values, "enable": True, "created_at": 1.0, "modified_at": 1.0, **given})


def snapshot(*declared: CustomProvider) -> Snapshot:
    return Snapshot(
        version=1,
        accounts={},
        tokens={},
        gateways={},
        models=EVERYBODYS,
        account_models=account_models(declared, EVERYBODYS, lambda slug, name: Model(name=f"{slug} {name}")),
    )


@pytest.mark.parametrize("name", ["custom-near/Some/Model-4-1", "Custom-Near/Some/Model-4-1"])
@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_an_accounts_own(name: str, dialect: str) -> None:
    target = snapshot(custom(headers='{"X-Team":"blue"}')).models_of("a").resolve(name, dialect)
    assert (target.provider, target.model) == ("custom-near", "Some/Model-4-1")
    assert (target.name, target.dialect) == ("custom-near/Some/Model-4-1", "openai_chat_compatible")
    assert target.allow_private_address is False and target.platform is False
    assert target.traits == Model(name="custom-near Some/Model-4-1")
    located = target.place(False)
    assert located is not None and located.url == "https://near.example/v1/chat/completions"
    assert located.headers[2:] == ((b"x-team", b"blue"),), "no credential: there is none yet"


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://near.example", "https://near.example/v1/chat/completions"),
        ("https://near.example/", "https://near.example/v1/chat/completions"),
        ("https://near.example:8443/api/v2/", "https://near.example:8443/api/v2/chat/completions"),
    ],
)
def test_where_its_chat_is(base_url: str, url: str) -> None:
    target = snapshot(custom(base_url=base_url)).models_of("a").resolve("custom-near/m", "openai_chat")
    assert target.located is not None and target.located.url == url


def test_one_that_is_switched_off_is_unknown() -> None:
    models = snapshot(custom(enable=False)).models_of("a")
    assert models is EVERYBODYS
    with pytest.raises(NotFound):
        models.resolve("custom-near/m", "openai_chat")


def test_others_do_not_see_it() -> None:
    shot = snapshot(custom(), custom(id="2", account_id="b", base_url="https://far.example/v1"))
    for account_id, host in (("a", "near"), ("b", "far")):
        located = shot.models_of(account_id).resolve("custom-near/m", "openai_chat").located
        assert located is not None and located.url.startswith(f"https://{host}.example/")
    with pytest.raises(NotFound):
        shot.models_of("c").resolve("custom-near/m", "openai_chat")


@pytest.mark.parametrize("name", ["custom-near", "custom-near/", "near/m", "custom-other/m", "@custom-near/m"])
def test_what_does_not_name_a_model_of_it(name: str) -> None:
    with pytest.raises(NotFound):
        snapshot(custom()).models_of("a").resolve(name, "openai_chat")


def test_everybodys_models_stay() -> None:
    models = snapshot(custom(slug="openai")).models_of("a")
    assert models.resolve("openai/gpt-5.5", "openai_chat") is EVERYBODYS.resolve("openai/gpt-5.5", "openai_chat")
    assert models.resolve("custom-openai/gpt-5.5", "openai_chat").provider == "custom-openai"
