"""`isthmus simulate`: the strict simulator of providers, on an address of its own."""

from __future__ import annotations

import argparse

DEFAULT_PORT = 8788


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, metavar="PORT", help=f"port; 0: any (default: {DEFAULT_PORT})"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="SEED", help="same seed, same answers (default: 0)")


def run(options: argparse.Namespace) -> int:
    from isthmus.simulator import serve

    serve(options.host, options.port, options.seed)
    return 0
