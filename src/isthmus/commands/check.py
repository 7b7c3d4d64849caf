"""`isthmus check`: everything that is wrong with isthmus.toml and with the settings, without starting."""

from __future__ import annotations

import argparse
import sys

from isthmus.commands.options import add_settings, settings_of
from isthmus.settings import check_supported, unknown_variables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, ["config_file"])


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    check_supported(settings)
    from isthmus.configuration.read import check_file
    from isthmus.house import known

    for name in unknown_variables():
        print(f"warning: {name} is no setting of Isthmus and is ignored")
    _, findings = check_file(settings.config_file, known())
    for finding in findings:
        print(finding)
    if any(not finding.warning for finding in findings):
        return 1
    print("the configuration is sound", file=sys.stderr)
    return 0
