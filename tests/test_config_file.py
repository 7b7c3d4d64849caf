"""isthmus.toml: what it declares, and what is said about what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isthmus.configuration.declared import ModelDeclared, PriceDeclared, ProviderDeclared, read_credential
from isthmus.configuration.place import line_of
from isthmus.configuration.read import ConfigurationError, check_file, load_declared
from isthmus.configuration.sense import Known, without_effect
from isthmus.settings import OperatorError

KNOWN = Known(providers=frozenset({"openai", "anthropic"}), dialects=frozenset({"openai_chat", "anthropic_messages"}))

OPERATORS_EXAMPLE = """
[providers.openai]
credential = "env:OPENAI_API_KEY"
base_url = "https://api.openai.com/v1"

[providers.vllm]
dialect = "openai_chat"
base_url = "http://127.0.0.1:8000/v1/"
allow_private_address = true

[models."@cf/meta/llama-3.1-8b-instruct"]
provider = "vllm"
name = "meta-llama/Llama-3.1-8B-Instruct"

[models."@cf/local/my-model"]
file = "my-model.gguf"
context_tokens = 4096

[prices."openai/gpt-5.5"]
input = 5.0
output = 30
cache_read = 0.5

[gateways.default]
cache_ttl = 300
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str) -> str:
    file = folder / "isthmus.toml"
    file.write_text(text)
    return str(file)


def said(folder: Path, text: str) -> list[str]:
    """Every finding, without the folder."""
    return [str(finding).removeprefix(f"{folder}/") for finding in check_file(written(folder, text), KNOWN)[1]]


def test_the_operators_example(folder: Path) -> None:
    (folder / "my-model.gguf").touch()
    file = written(folder, OPERATORS_EXAMPLE)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    declared = load_declared(file, KNOWN)
    assert declared.providers == {
        "openai": ProviderDeclared(base_url="https://api.openai.com/v1/", credential="env:OPENAI_API_KEY"),
        "vllm": ProviderDeclared(
            base_url="http://127.0.0.1:8000/v1/", dialect="openai_chat", allow_private_address=True
        ),
    }
    assert declared.models == {
        "@cf/meta/llama-3.1-8b-instruct": ModelDeclared(provider="vllm", name="meta-llama/Llama-3.1-8B-Instruct"),
        "@cf/local/my-model": ModelDeclared(file=str(folder / "my-model.gguf"), context_tokens=4096),
    }
    assert declared.prices == {"openai/gpt-5.5": PriceDeclared(input=5.0, output=30.0, cache_read=0.5)}
    assert declared.gateways["default"].cache_ttl == 300
    assert declared.gateways["default"].collect_logs is True
    assert declared.declared_at == 1_700_000_000
    assert without_effect(declared) == [
        "prices is read but has no effect yet",
    ]


def test_no_file_declares_nothing(folder: Path) -> None:
    assert load_declared(None, KNOWN).providers == {}


def test_the_file_of_the_working_directory_is_taken(folder: Path) -> None:
    written(folder, 'platform_models_without_gateway = "bypass"')
    assert load_declared(None, KNOWN).platform_models_without_gateway == "bypass"


def test_a_file_that_is_named_must_be_there(folder: Path) -> None:
    with pytest.raises(OperatorError, match=r"other\.toml cannot be read: No such file"):
        load_declared("other.toml", KNOWN)


def test_every_problem_is_told_with_its_line_and_mend(folder: Path) -> None:
    assert said(
        folder,
        """\
platform_models_without_gateway = "never"
[provider.openai]
x = 1
[providers.openai]
base_urll = "https://example.com"
allow_private_address = "yes"

[gateways.main]
cache_tll = 3
retry_delay = 70000
otel = [{ url = "http://x", headers = { a = 1 } }]
""",
    ) == [
        "isthmus.toml:1: platform_models_without_gateway: Invalid enum value. Expected 'bypass' | 'default', received "
        "'never'",
        "isthmus.toml:2: provider: Unrecognized key 'provider'; did you mean 'providers'?",
        "isthmus.toml:5: [providers.openai] base_urll: Unrecognized key 'base_urll'; did you mean 'base_url'?",
        "isthmus.toml:6: [providers.openai] allow_private_address: Expected boolean, received string",
        "isthmus.toml:9: [gateways.main] cache_tll: Unrecognized key 'cache_tll'; did you mean 'cache_ttl'?",
        "isthmus.toml:10: [gateways.main] retry_delay: Number must be less than or equal to 60000",
        "isthmus.toml:11: [gateways.main] otel.0.headers.a: Expected string, received number",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[providers.x]\ndialect='openai_chat'", "1: [providers.x]: 'x' is not a built-in provider: it needs base_url"),
        (
            "[providers.x]\nbase_url='https://x.example/'\ndialect='grpc'",
            "3: [providers.x] dialect: no dialect 'grpc'; known are anthropic_messages, openai_chat",
        ),
        (
            "[providers.openai]\ndialect='openai_chat'",
            "2: [providers.openai] dialect: 'openai' is built in, and so is what it speaks: leave it out",
        ),
        (
            "[providers.openai]\nbase_url='api.openai.com/v1'",
            "2: [providers.openai] base_url: 'api.openai.com/v1/' must begin with http:// or https:// and name a host",
        ),
        (
            "[providers.openai]\nbase_url='http://10.0.0.1/'",
            "2: [providers.openai] base_url: 10.0.0.1 is a private address, which is refused: add "
            "allow_private_address = true",
        ),
        (
            "[providers.openai]\nbase_url='http://localhost:1/'",
            "2: [providers.openai] base_url: localhost is a private address, which is refused: add "
            "allow_private_address = true",
        ),
        (
            "[providers.openai]\nbase_url='https://u:p@example.com/'",
            "2: [providers.openai] base_url: must have no query, fragment or user name; keys belong in credential",
        ),
        (
            "[providers.openai]\ncredential='sk-very-secret'",
            "2: [providers.openai] credential: must be env:NAME or file:PATH, never the key itself",
        ),
        (
            "[providers.openai]\ncredential='env:NOT_SET_ANYWHERE'",
            "2: warning: [providers.openai] credential: the environment variable NOT_SET_ANYWHERE is not set",
        ),
        (
            "[models.'@cf/a/b']\nprovider='vllm'\nname='n'",
            "2: [models.\"@cf/a/b\"] provider: no provider 'vllm': declare it as [providers.vllm]",
        ),
        ("[models.'@cf/a/b']\nprovider='openai'", '1: [models."@cf/a/b"]: needs provider and name, or file'),
        (
            "[models.llama]\nprovider='openai'\nname='n'",
            "1: [models.llama]: a platform model is named @cf/author/model",
        ),
        ("[prices.x]\ninput=-1", "2: [prices.x] input: Number must be greater than or equal to 0"),
        ("[gateways.Main]\ncache_ttl=0", "1: [gateways.Main]: Invalid: must match ^[a-z0-9_]+(?:-[a-z0-9_]+)*$"),
        (
            "[gateways.main]\n[gateways.main.dlp]\nenabled=true\naction='BLOCK'",
            "2: [gateways.main] dlp.profiles: Required",
        ),
        ("models=3", "1: models: must be a table: [models.NAME]"),
        ("gateways={a=1}", "1: [gateways.a]: must be a table: [gateways.a]"),
    ],
)
def test_one_problem(folder: Path, text: str, line: str) -> None:
    assert f"isthmus.toml:{line}" in said(folder, text)


def test_a_credential_is_never_repeated(folder: Path) -> None:
    assert "sk-very-secret" not in "".join(said(folder, "[providers.openai]\ncredential='sk-very-secret'"))


def test_files_are_found_beside_the_configuration(folder: Path) -> None:
    (folder / "key").write_text("secret\n")
    declared = load_declared(written(folder, "[providers.openai]\ncredential='file:key'"), KNOWN)
    credential = declared.providers["openai"].credential
    assert credential == f"file:{folder}/key"
    assert read_credential(credential, {}) == "secret"
    assert said(folder, "[models.'@cf/a/b']\nfile='absent.gguf'") == [
        f'isthmus.toml:2: [models."@cf/a/b"] file: there is no file {folder}/absent.gguf'
    ]


def test_credentials_from_the_environment() -> None:
    assert read_credential("env:KEY", {"KEY": "secret"}) == "secret"
    assert read_credential("env:KEY", {"KEY": ""}) is None
    with pytest.raises(OperatorError, match="/no/such/file"):
        read_credential("file:/no/such/file", {})


def test_what_is_no_toml(folder: Path) -> None:
    assert said(folder, "[providers\nx=1")[0].startswith("isthmus.toml:1: not valid TOML: ")
    (folder / "isthmus.toml").write_bytes(b"a = 1\nb = '\xff'")
    assert [finding.line for finding in check_file(None, KNOWN)[1]] == [2]


def test_a_file_with_problems_is_not_used(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"isthmus\.toml:1: a: .*\(and 1 more: run isthmus check\)"):
        load_declared(written(folder, "a = 1\nb = 2"), KNOWN)


def test_warnings_do_not_keep_it_from_being_used(folder: Path) -> None:
    assert load_declared(written(folder, "[gateways.main]\ncache_ttl = 5"), KNOWN).gateways["main"].cache_ttl == 5


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("providers", "a.b", "x"), 4),
        (("providers", "a.b", "y"), 5),
        (("providers", "a.b", "z"), 3),
        (("list", "0", "k"), 9),
        (("top", "inner"), 1),
        (("absent",), 1),
    ],
)
def test_the_line_of_a_key(path: tuple[str, ...], line: int) -> None:
    text = """top.inner = 1
# comment = 2
[providers."a.b"]  # with a comment
x = "[not.a.table]"
  'y' = 1

[other]
x = 2
[[list]]
k = 1
"""
    assert line_of(text, path) == line
