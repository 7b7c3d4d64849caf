"""The operator's commands, as they are typed: what they print, what they change, and how they end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.cli import COMMANDS, main
from isthmus.core.account import PERMISSIONS, Account, digest
from isthmus.storage.open import open_configs
from isthmus.storage.protocols import Configuration

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("ISTHMUS_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def account(folder: Path) -> str:
    assert main(["account", "create", "Mine", "--id", "mine"]) == 0
    return "mine"


def stored() -> Configuration:
    async def load() -> Configuration:
        storage = await open_configs("sqlite:///isthmus-data/isthmus.db")
        try:
            return await storage.configs.load()
        finally:
            await storage.aclose()

    return asyncio.run(load())


def lines(output: Output) -> list[list[str]]:
    return [line.split() for line in output.readouterr().out.splitlines()]


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from isthmus.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as left: assert left.code == 0\n"
        "heavy = {'msgspec', 'asyncio', 'starlette', 'uvicorn', 'sqlite3'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert f"usage: isthmus {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["--nonsense"],
        ["serve", "--port", "http"],
        ["serve", "--nonsense"],
        ["token"],
        ["model", "get"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: isthmus" in capsys.readouterr().err


def test_version(capsys: Output) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("isthmus 0.")


def test_it_is_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "isthmus", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout[:8]) == (0, "isthmus ")


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["serve", "--workers", "2"], {}, "more than one worker needs Redis and Postgres"),
        (["serve"], {"ISTHMUS_PORT": "http"}, "ISTHMUS_PORT: 'http': Expected int"),
        (["check", "--config", "absent.toml"], {}, "absent.toml cannot be read: No such file"),
        (["token", "list"], {}, "no database sqlite:///isthmus-data/isthmus.db: name the server's directory"),
        (["account", "create", "x", "--id", "a/b"], {}, "'a/b' is no account id"),
        (["migrate", "--database", "postgresql://127.0.0.1/x"], {}, "only sqlite"),
        (["model", "get", "gpt-5.5"], {}, "There is no local model named gpt-5.5"),
        (["migrate", "--data", "/proc/nowhere"], {}, "/proc/nowhere"),
    ],
)
def test_a_problem_is_one_line(
    arguments: list[str],
    environment: dict[str, str],
    said: str,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("isthmus: ")
    assert said in err


def test_our_own_fault_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("isthmus.commands.migrate._migrate")
    with pytest.raises(NameError):
        main(["migrate"])


def test_migrate(folder: Path, capsys: Output) -> None:
    assert main(["migrate"]) == main(["migrate"]) == 0
    assert (folder / "isthmus-data").stat().st_mode & 0o777 == 0o700
    assert stored().accounts == ()


def test_accounts(capsys: Output) -> None:
    assert main(["account", "create", "First"]) == 0
    account_id = capsys.readouterr().out.strip()
    assert len(account_id) == 32
    assert main(["account", "create", "Second", "--id", "second"]) == 0
    assert main(["account", "create", "Again", "--id", "second"]) == 1
    assert "there is an account second already" in capsys.readouterr().err
    assert main(["account", "list"]) == 0
    header, *rows = lines(capsys)
    assert header == ["ID", "NAME", "CREATED"]
    assert sorted(row[:2] for row in rows) == sorted([[account_id, "First"], ["second", "Second"]])


def test_a_token_from_its_making_to_its_end(account: str, capsys: Output) -> None:
    capsys.readouterr()
    assert main(["token", "create", "--name", "robot"]) == 0
    _, (token_id, of_account, secret) = lines(capsys)
    assert of_account == account
    assert len(secret) >= 40
    (token,) = stored().tokens
    assert (token.id, token.name, token.digest) == (token_id, "robot", digest(secret))
    assert token.permissions == ("Workers AI Read", "AI Gateway Run")
    assert (token.gateways, token.models, token.expires_on) == (None, None, None)
    assert main(["token", "list"]) == 0
    shown = capsys.readouterr().out
    assert token_id in shown
    assert "robot  live" in shown
    assert secret not in shown
    assert main(["token", "revoke", token_id]) == 0
    assert stored().tokens[0].revoked
    assert main(["token", "revoke", token_id]) == 1
    main(["token", "list"])
    assert "robot  revoked" in capsys.readouterr().out


def test_a_token_with_bounds(account: str, capsys: Output) -> None:
    arguments = ["token", "create", "--account", account, "--permission", "ai gateway read", "--expires", "2100-01-01"]
    arguments += ["--gateway", "a", "--gateway", "b", "--model", "openai/*"]
    assert main(arguments) == 0
    (token,) = stored().tokens
    assert token.permissions == ("AI Gateway Read",)
    assert (token.gateways, token.models, token.expires_on) == (("a", "b"), ("openai/*",), 4_102_444_800.0)
    main(["token", "list"])
    assert "live until 2100-01-01T00:00:00.000Z  AI Gateway Read  a, b      openai/*" in capsys.readouterr().out


def test_a_token_for_everything_for_a_while(account: str) -> None:
    assert main(["token", "create", "--permission", "all", "--expires", "90d"]) == 0
    (token,) = stored().tokens
    assert token.permissions == PERMISSIONS
    assert token.expires_on == token.created_at + 90 * 86400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--permission", "Root"], "no permission 'Root'; there are Workers AI Read"),
        (["--expires", "2001-01-01"], "has passed"),
        (["--expires", "soon"], "give a date"),
        (["--account", "theirs"], "no account theirs; there are mine"),
    ],
)
def test_a_token_that_cannot_be(arguments: list[str], said: str, account: str, capsys: Output) -> None:
    assert main(["token", "create", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert stored().tokens == ()


def test_among_several_accounts_one_must_be_named(account: str, capsys: Output) -> None:
    main(["account", "create", "Other", "--id", "other"])
    assert main(["token", "create"]) == 1
    assert "name the account with --account; there are mine, other" in capsys.readouterr().err


def test_a_running_server_does_not_stand_in_the_way(account: str) -> None:
    """Another process has the database open and writes to it."""

    async def beside() -> int:
        storage = await open_configs("sqlite:///isthmus-data/isthmus.db")
        await storage.configs.add_account(Account(id="other", name="", created_at=1.0))
        code = await asyncio.to_thread(main, ["token", "create", "--account", "other"])
        tokens = (await storage.configs.load()).tokens
        await storage.aclose()
        return code + len(tokens)

    assert asyncio.run(beside()) == 1


def test_check(folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == ""
    (folder / "isthmus.toml").write_text("[gateways.default]\nzdr = true\n")
    assert main(["check"]) == 0
    assert capsys.readouterr().out.startswith("isthmus.toml:2: warning: [gateways.default] zdr: ")
    (folder / "other.toml").write_text("[models.'@cf/a/b']\nprovider = 'openai'\nname = 'x'\n[provider]\n")
    monkeypatch.setenv("ISTHMUS_CONFIG", "other.toml")
    assert main(["check"]) == 1
    assert capsys.readouterr().out == "other.toml:4: provider: Unrecognized key 'provider'; did you mean 'providers'?\n"


def test_models_that_can_be_served(folder: Path, capsys: Output) -> None:
    (folder / "my.gguf").touch()
    (folder / "isthmus.toml").write_text("[models.'@cf/local/mine']\nfile = 'my.gguf'\n")
    assert main(["model", "list"]) == 0
    out = capsys.readouterr().out
    assert "isthmus model get smollm2" in out
    assert f"@cf/local/mine                         {folder}/my.gguf" in out


def test_serve_warns_of_what_it_does_not_know(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it starts: here it cannot, for its configuration is not there."""
    monkeypatch.setenv("ISTHMUS_PROT", "1")
    assert main(["serve", "--secret-key", "k", "--port", "0", "--config", "absent.toml"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "isthmus: warning: ISTHMUS_PROT is no setting of Isthmus and is ignored",
        "isthmus: warning: --secret-key encrypts nothing: --state-encryption is off",
        "isthmus: absent.toml cannot be read: No such file or directory",
    ]
