"""Process settings: precedence, refusals, and one table for options, environment and description."""

from __future__ import annotations

import argparse

import pytest

from isthmus.commands.options import add_settings
from isthmus.settings import (
    OperatorError,
    Settings,
    check_supported,
    read_settings,
    settings_table,
    unknown_variables,
)


def from_options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_settings(parser, [setting.field for setting in settings_table()])
    return parser.parse_args(arguments)


def test_options_win_over_the_environment_and_that_over_defaults() -> None:
    environment = {"ISTHMUS_PORT": "9001", "ISTHMUS_HOST": "::1", "ISTHMUS_LOG_FORMAT": ""}
    settings = read_settings(vars(from_options("--port", "9002")), environment)
    assert (settings.port, settings.host, settings.log_format) == (9002, "::1", "text")


def test_the_operators_names() -> None:
    names = {setting.option for setting in settings_table()}
    assert {
        "--host --port --data --config --database --redis --workers --secret-key --account-id --api-token "
        "--log-level --log-format --drain-seconds"
    } == {" ".join(setting.option for setting in settings_table()[:13])}
    assert len(names) == len(Settings.__struct_fields__)


def test_every_setting_can_be_given_both_ways_and_is_described() -> None:
    for setting in settings_table():
        assert setting.meaning
        is_number = isinstance(setting.default, int | float)
        word = "https://something" if setting.field == "public_url" else "something"
        text = str(setting.default + 1) if is_number else (setting.choices or (word,))[-1]
        by_variable = read_settings({}, {setting.variable: text})
        by_option = read_settings(vars(from_options(setting.option, text)), {})
        assert by_variable == by_option != Settings(), setting.name


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("ISTHMUS_PORT", "70000", "<= 65535"),
        ("ISTHMUS_PORT", "http", "Expected int"),
        ("ISTHMUS_LOG_LEVEL", "loud", "Expected one of debug, info, warning, error"),
        ("ISTHMUS_IDLE_TIMEOUT_SECONDS", "0", "> 0"),
        ("ISTHMUS_DRAIN_SECONDS", "nan", "Expected float"),
        ("ISTHMUS_ACCOUNT_ID", "a/b", "matching"),
        ("ISTHMUS_ACCOUNT_ID", "ab\n", "matching"),
        ("ISTHMUS_PUBLIC_URL", "ai.example", "matching"),
        ("ISTHMUS_PUBLIC_URL", "https://ai.example/?a=b", "matching"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=variable) as raised:
        read_settings({}, {variable: text})
    assert said in str(raised.value)


def test_a_wrong_secret_is_not_repeated() -> None:
    with pytest.raises(OperatorError) as raised:
        read_settings({}, {"ISTHMUS_API_TOKEN": "se cret"})
    assert "se cret" not in str(raised.value)


def test_secrets_do_not_show() -> None:
    settings = read_settings({}, {"ISTHMUS_API_TOKEN": "open-sesame", "ISTHMUS_DATABASE": "postgres://u:open-sesame@h"})
    assert "open-sesame" not in repr(settings)


def test_variables_that_are_no_settings() -> None:
    assert unknown_variables({"ISTHMUS_PROT": "1", "ISTHMUS_PORT": "1", "PATH": "/bin"}) == ["ISTHMUS_PROT"]


def test_the_database_lies_in_the_data_directory() -> None:
    assert Settings(data_directory="/var/x").database_url == "sqlite:////var/x/isthmus.db"
    assert Settings(database="sqlite:///other.db").database_url == "sqlite:///other.db"


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("::", False)])
def test_loopback(host: str, loopback: bool) -> None:
    assert Settings(host=host).on_loopback is loopback


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings(workers=2), "needs Redis and Postgres"),
        (Settings(redis="redis://127.0.0.1"), "Redis is not supported"),
        (Settings(database="postgresql://127.0.0.1/x"), "only sqlite"),
    ],
)
def test_what_is_not_there_yet_is_refused_with_the_reason(settings: Settings, reason: str) -> None:
    with pytest.raises(OperatorError, match=reason):
        check_supported(settings)


def test_the_defaults_are_supported() -> None:
    check_supported(Settings())
