"""The house's own rules: which way imports point, and how large a room may grow (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "isthmus"

# A room may import the rooms in its set, itself, `errors` and `clock`. The composition root and the commands may
# import everything.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "clock": set(),
    "settings": set(),
    "core": set(),
    "catalogue": {"core"},
    "wire": {"core"},
    "transport": {"core"},
    "storage": {"core"},
    "local": {"core"},
    "simulator": set(),
    "providers": {"core", "catalogue", "wire", "transport"},
    "routing": {"core", "providers"},
    "policies": {"core", "storage"},
    "validation": {"core"},
    "configuration": {"core", "settings", "validation"},
    "data_plane": {"core", "wire", "transport", "providers", "routing", "policies", "storage"},
    "control_plane": {"core", "catalogue", "storage", "validation"},
}
ROOTS = {"app", "house", "limits", "cli", "__main__", "commands", "welcome", "targets", "health"}

# Reason beside each.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
MANY_FILES: dict[str, str] = {}
WIDE_CLASSES = {"data_plane/server.py:CallerProtocol": "most are uvicorn's own names, overridden"}

CANNOT_WAIT = ("wire", "routing/plan.py", "core")
WAITING = {"asyncio", "socket", "threading", "subprocess", "time", "sqlite3", "uvicorn", "httptools"}
MAY_READ_TIME = {"core/call.py", "core/ids.py"}  # a call notes when it began; ids hold the time


def sources() -> Iterator[tuple[str, ast.Module, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text()
        yield path.relative_to(SOURCE).as_posix(), ast.parse(text), text


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room_of(name: str) -> str:
    return name.split("/")[0].removesuffix(".py")


def test_arrows_point_left() -> None:
    wrong = []
    for name, tree, _ in sources():
        room = room_of(name)
        if room in ROOTS or room == "__init__":
            continue
        allowed = MAY_IMPORT[room] | {room, "errors", "clock"}
        for module in imported(tree):
            parts = module.split(".")
            if parts[0] == "isthmus" and len(parts) > 1 and parts[1] not in allowed:
                wrong.append(f"{name} imports {module}")
    assert wrong == []


def test_pure_rooms_cannot_wait() -> None:
    wrong = [
        f"{name} imports {module}"
        for name, tree, _ in sources()
        if name.startswith(CANNOT_WAIT) and name not in MAY_READ_TIME
        for module in imported(tree)
        if module.split(".")[0] in WAITING
    ]
    assert wrong == []


def test_every_module_says_what_it_is() -> None:
    assert [name for name, tree, _ in sources() if not ast.get_docstring(tree)] == []


def test_files_are_read_in_one_sitting() -> None:
    assert [name for name, _, text in sources() if text.count("\n") > 400 and name not in LONG_FILES] == []


def test_functions_fit_on_a_screen() -> None:
    long = []
    for name, tree, _ in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > 60 and f"{name}:{node.name}" not in LONG_FUNCTIONS:
                    long.append(f"{name}:{node.name} has {lines} lines")
    assert long == []


def test_parameters_are_few() -> None:
    many = []
    for name, tree, _ in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = len([argument for argument in given if argument.arg not in ("self", "cls")])
                if count > 6 and node.name != "__init__":
                    many.append(f"{name}:{node.name} takes {count}")
    assert many == []


def test_classes_have_few_public_methods() -> None:
    wide = []
    for name, tree, _ in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                public = [
                    item.name
                    for item in node.body
                    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.name.startswith("_")
                ]
                if len(public) > 10 and f"{name}:{node.name}" not in WIDE_CLASSES:
                    wide.append(f"{name}:{node.name} has {len(public)}")
    assert wide == []


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCE.rglob("*.py")}), ids=lambda path: path.name)
def test_folders_hold_few_files(folder: Path) -> None:
    name = folder.relative_to(SOURCE).as_posix()
    assert name in MANY_FILES or len(list(folder.glob("*.py"))) <= 14
