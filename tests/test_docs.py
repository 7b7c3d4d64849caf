"""The documentation is true to the code: every setting, header, error, field and file that one has, the other has."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import pytest
from msgspec import structs

from isthmus import cli
from isthmus.catalogue.names import _SLUGS
from isthmus.configuration.declared import ModelDeclared, PriceDeclared, ProviderDeclared
from isthmus.configuration.read import SECTIONS, check_file
from isthmus.control_plane.cache.resource import CacheParts
from isthmus.control_plane.logs.row import shape, shape_with_heads
from isthmus.control_plane.models.listing import ErrorWriters
from isthmus.control_plane.routes import ControlPlaneOptions, ModelParts, control_plane
from isthmus.core.account import PERMISSIONS
from isthmus.core.caching import use as cache_use
from isthmus.core.call import Endpoint
from isthmus.core.chat.event import Event, FinishReason
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.part import Part
from isthmus.core.entry import End, LogEntry
from isthmus.core.gateway import DEFAULT_SETTINGS, GatewaySettings
from isthmus.data_plane import pipeline as data_plane_pipeline
from isthmus.data_plane import routes as data_plane_routes
from isthmus.data_plane import server as data_plane_server
from isthmus.data_plane.caching.cache import AnswerCache, CacheLimits
from isthmus.data_plane.caching.semantic.answers import SemanticAnswers
from isthmus.data_plane.gateway_host.native import _REQUEST_TYPES, NATIVE, Native, NativeLimits
from isthmus.data_plane.gateway_host.steps import read_steps
from isthmus.data_plane.options.body import GATEWAY_OPTIONS, UNBUILT_OPTIONS
from isthmus.data_plane.options.headers import ALIASES, HEADERS, UNBUILT, read_options
from isthmus.data_plane.outbound.sender import PASSED_ON
from isthmus.data_plane.routes import (
    GATEWAY_HOST,
    GENERATE,
    POST,
    PREFIX,
    SHORT,
    STATE,
    UNIVERSAL,
    WORKERS_AI,
    Address,
    find,
    find_older,
)
from isthmus.data_plane.send import receipt
from isthmus.errors import GatewayError
from isthmus.house import known
from isthmus.policies import limit_rate
from isthmus.policies.admit import KEY_HEADERS
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.native.reach import recognised
from isthmus.providers.provider import DIALECT_HEADERS
from isthmus.settings import settings_table
from isthmus.simulator.faults import STATUSES, Fault, Kind, read_directive
from isthmus.targets import PROVIDER_PATHS
from isthmus.validation.custom_provider import FIELD_NAMES, REQUIRED
from isthmus.validation.effect import unbuilt
from isthmus.wire.body import Body
from isthmus.wire.embeddings.registry import CALLERS as EMBEDDINGS
from isthmus.wire.registry import DIALECTS
from isthmus.wire.statuses import error_type, openai_error_type

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "isthmus"
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
ARCHITECTURE = (DOCS / "architecture.md").read_text()
OPERATING = (DOCS / "operating.md").read_text()
API = (DOCS / "reference" / "api.md").read_text()

ENDPOINTS = [*POST.values(), *GENERATE.values(), UNIVERSAL]
OURS = re.compile(r"(?:cf-aig|x-isthmus)-[a-z-]*[a-z]")
KEY_IN_A_QUERY = "key"
HANDSHAKE_REFUSED = 426
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def table(text: str, *header: str) -> list[list[str]]:
    """The cells of all tables with this header; one must be there."""
    wanted = "| " + " | ".join(header) + " |"
    rows: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        inside = line == wanted or (inside and line.startswith("|"))
        if inside and line != wanted and not line.startswith("| ---"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert rows, f"no table {wanted}"
    return rows


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def first_column(rows: list[list[str]]) -> list[str]:
    return [name for row in rows for name in ticked(row[0])]


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


@cache
def modules() -> list[tuple[ast.Module, ModuleType]]:
    """What runs in the gateway, read and imported; the simulator speaks for others."""
    files = [path for path in sorted(SOURCE.rglob("*.py")) if SOURCE / "simulator" not in path.parents]
    names = [".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in files]
    texts = [ast.parse(path.read_text()) for path in files]
    return list(zip(texts, map(importlib.import_module, names), strict=True))


def errors() -> dict[str, type[GatewayError]]:
    """Every class of the tree, wherever it is written."""
    held = [value for _, module in modules() for value in vars(module).values() if isinstance(value, type)]
    return {kind.__name__: kind for kind in held if issubclass(kind, GatewayError)}


# The operator's page.


def test_settings() -> None:
    rows = table(OPERATING, "option", "environment", "default", "meaning")
    told = [(*ticked(row[0]), *ticked(row[1]), "".join(ticked(row[2]))) for row in rows]
    defaults = [setting.default for setting in settings_table()]
    shown = ["" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in defaults]
    assert told == [(each.option, each.variable, text) for each, text in zip(settings_table(), shown, strict=True)]
    for setting, row in zip(settings_table(), rows, strict=True):
        assert row[3] and ticked(row[3])[: len(setting.choices)] == list(setting.choices), setting.option


def test_limits() -> None:
    defaults = {setting.option: setting.default for setting in settings_table()}
    for what, most, by in table(OPERATING, "what", "most", "set by"):
        number, _, unit = most.partition(" ")
        place = by.strip("`")
        actual = defaults[place] if place.startswith("--") else at(place)
        assert int(number) * UNITS.get(unit, 1) == actual, what


def at(place: str) -> Any:
    """The value of a dotted name below `isthmus`: a constant, or the default of a struct's field."""
    holder, _, name = place.rpartition(".")
    found = pkgutil.resolve_name(f"isthmus.{holder}")
    return getattr(found() if isinstance(found, type) else found, name)


def command_lines(page: Path) -> list[str]:
    text = page.read_text()
    typed = [line for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]
    found = [line[2:].removeprefix(".venv/bin/").partition("  #")[0] for line in typed]
    found += [" ".join(words.split()) for words in ticked(prose(text))]
    return [line for line in found if line.startswith("isthmus ")]


@pytest.mark.parametrize("line", [line for page in PAGES for line in command_lines(page)])
def test_every_command_line_is_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_run", lambda command, options: 0)  # parsing is all that is wanted here
    words = shlex.split(line)[1:]
    if "--help" in words:
        with pytest.raises(SystemExit) as left:
            cli.main(words)
        assert left.value.code == 0
    else:
        assert cli.main(words) == 0


TOML = [(page, block) for page in PAGES for block in blocks(page.read_text(), "toml")]


@pytest.mark.parametrize(("page", "block"), TOML, ids=[f"{page.name}{index}" for index, (page, _) in enumerate(TOML)])
def test_every_configuration_is_sound(page: Path, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r'"env:(\w+)"', block):
        monkeypatch.setenv(name, "secret")
    block = re.sub(r'((?:"file:|^file = "))/', rf"\1{tmp_path}/", block, flags=re.MULTILINE)
    for name in re.findall(r'(?:"file:|^file = ")([^"]+)"', block, re.MULTILINE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    file = tmp_path / "isthmus.toml"
    file.write_text(block)
    _, findings = check_file(str(file), known())
    told = [number for number, line in enumerate(block.splitlines(), start=1) if "no effect yet" in line]
    assert [finding for finding in findings if not finding.warning] == []
    assert [finding.line for finding in findings] == told


def test_every_key_of_the_configuration_is_shown() -> None:
    example = max(blocks(OPERATING, "toml"), key=len)
    for section in SECTIONS:
        assert re.search(rf"^(\[{section}\.|{section} = )", example, re.MULTILINE), section
    for kind in (ProviderDeclared, ModelDeclared, PriceDeclared):
        for field in kind.__struct_fields__:
            assert re.search(rf"^{field} = ", example, re.MULTILINE), field
    (choices,) = re.findall(r"^dialect = .*(?:\n +#.*)*", example, re.MULTILINE)  # its remark may go on
    assert set(re.findall(r"[a-z_]+", choices)) - {"dialect", "or"} == set(PROVIDER_PATHS)


def test_simulator_directives() -> None:
    rows = table(OPERATING, "directive", "means")
    for directive in first_column(rows):
        read_directive(re.sub(r"=(?:N|MS)$", "=7", directive.replace("STATUS", "429")))
    words = [directive.split("=") for directive in first_column(rows)]
    assert {value for name, value in words if name == "fault"} == {*get_args(Kind), "STATUS"}
    assert {name for name, _ in words} == {*Fault.__struct_fields__, "fault"} - {"kind", "status"}
    assert [row[1].split() for row in rows if "STATUS" in row[0]] == [[str(status) for status in STATUSES]]


# The reference.


def test_the_lists_are_whole() -> None:
    assert first_column(table(API, "permission", "lets")) == list(PERMISSIONS)
    assert first_column(table(API, "`end`", "the call")) == list(get_args(End))
    assert first_column(table(API, "`finish_reason`", "the answer")) == list(get_args(FinishReason))
    paths = [each.removeprefix("{account}/ai/") for each in first_column(table(API, "address", "method", "speaks"))]
    generate = [f"v1beta/models/{{model}}:{method}" for method in GENERATE]
    assert sorted(paths) == sorted([*POST, *generate, "run/{model}"])
    kinds = {name for row in table(API, "field", "in", "is") if "`request_type`" in row[0] for name in ticked(row[2])}
    assert kinds == {endpoint.request_type for endpoint in ENDPOINTS} | {NATIVE, *_REQUEST_TYPES.values()}
    commands = {name.split()[1] for name in first_column(table(OPERATING, "command", "does"))}
    assert commands == set(cli.COMMANDS)


def test_the_addresses_of_what_is_kept() -> None:
    rows = table(API, "address", "methods", "is")
    told = {re.sub(r"\{\w+\}", "*", ticked(row[0])[0].removeprefix("{account}/ai/v1/")): row[1] for row in rows}
    assert told == {form: ", ".join(endpoint.methods) for form, endpoint in STATE.items()}
    for form, endpoint in STATE.items():
        address = find(f"{PREFIX}account/ai/v1/{form.replace('*', 'x')}")
        assert address is not None and address.endpoint == endpoint
        assert address.parameters == ("x",) * form.count("*")


def test_the_gateway_hosts_addresses() -> None:
    """Those of the table lead where they say, and each short address stands in it."""
    reached = set()
    rows = table(API, "address", "speaks")
    paths = [name.removeprefix("ws://…") for row in rows for name in ticked(row[0])]
    below = [name for row in rows if f"/{WORKERS_AI}/" in row[0] for name in ticked(row[1])]
    samples = [
        path.replace("…", rest) for path in paths for rest in (below if f"/{WORKERS_AI}/" in path else ["files"])
    ]
    for sample in samples:
        address = find_older(re.sub(r"\{\w+\}", "x", sample).replace("…", "author/model"))
        assert address is not None and address.endpoint is not None, sample
        reached.add(address.endpoint.handler)
    assert reached == {"universal", "compat", "native", "platform", "short_native"}
    assert {path.split("/")[1] for path in paths} == {*SHORT, GATEWAY_HOST.strip("/")}
    assert {name for name in below if "@" not in name} == set(data_plane_routes._PLATFORM)


async def test_management_addresses() -> None:
    """Each address names its methods to whoever comes with one that it does not have."""
    nobody: Any = None
    errors = ErrorWriters(openai=DIALECTS["openai_chat"], anthropic=DIALECTS["anthropic_messages"])
    models = ModelParts(reachable=nobody, errors=errors)
    cache = CacheParts(store=nobody, max_bytes=0, keys_of=nobody)
    app: Any = control_plane(nobody, nobody, nobody, ControlPlaneOptions(), models, cache)
    wanted = {}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    for route in app.routes:
        template = route.path.replace(":path}", "}")
        path = re.sub(r"\{\w+\}", "x", template)
        scope = {"type": "http", "method": "BREW", "path": path, "headers": [], "query_string": b""}
        await app(scope, nobody, send)
        wanted[template] = dict(sent[-2]["headers"])[b"allow"].decode()
    rows = table(API, "address", "methods", "permission")
    told = {ticked(row[0])[0].replace("{account}", PREFIX + "{account_id}"): row[1] for row in rows}
    assert told == wanted


def test_dialects() -> None:
    """A dialect is spoken by callers where an address has it, by providers where a row has it."""
    providers = {name for row in BUILT_IN for name in row.paths}
    callers = {endpoint.dialect or "workers_ai" for endpoint in ENDPOINTS}
    told = {ticked(row[0])[0]: row[2] for row in table(API, "dialect", "below", "spoken by", "is")}
    sides = {"callers": callers, "providers": providers}
    names = {dialect.name for dialect in DIALECTS.values()}
    assert told == {name: ", ".join(side for side, have in sides.items() if name in have) for name in names}
    assert providers == set(PROVIDER_PATHS)


def test_providers() -> None:
    names = {row[1]: ticked(row[0])[0] for row in table(API, "dialect", "below", "spoken by", "is")}
    told = []
    for slug, base_url, dialects, key in table(API, "provider", "base URL", "its dialects", "key"):
        spoken = [] if dialects == "none yet" else [names[word] for word in dialects.split(", ")]
        told.append((ticked(slug), ticked(base_url), spoken, ticked(key)))
    places = [row.base_url or row.base_url_variable for row in BUILT_IN]
    wanted = [
        ([row.slug], [place] if place else [], list(row.paths), [row.credential_variable])
        for row, place in zip(BUILT_IN, places, strict=True)
    ]
    assert told == wanted


def test_spellings_of_providers() -> None:
    rows = table(API, "slug", "other spellings")
    assert {name: ticked(slug)[0] for slug, names in rows for name in ticked(names)} == _SLUGS


def test_custom_providers() -> None:
    rows = table(API, "attribute", "value")
    assert set(first_column(rows)) == {field.name for field in FIELD_NAMES}
    assert {name for row in rows if "required" in row[1] for name in ticked(row[0])} == set(REQUIRED)


def test_receipts() -> None:
    """The one that is shown is one that is sent."""
    lost = Note(field="top_k", fate="lost", why="no such field")
    emulated = Note(field="cache_control", fate="emulated", why="it caches by itself")
    assert f"```text\n{receipt((lost, emulated)).decode()}\n```" in API
    assert f"`{{{', '.join(Note.__struct_fields__)}}}`" in API


def test_notices() -> None:
    options = read_options({b"cf-aig-cache-ttl": b"5", b"cf-aig-zdr": b"true"})
    assert f"```text\n{receipt(options.notices).decode()}\n```" in API


def test_options_in_bodies() -> None:
    rows = table(API, "below `options.gateway`", "is", "as the header")
    assert {ticked(name)[0]: ticked(header)[0].encode() for name, _, header in rows} == GATEWAY_OPTIONS
    (idle,) = re.findall(r"and the row is that gateway's\. (.*?) beside `gateway`", API, re.DOTALL)
    assert ticked(idle) == list(UNBUILT_OPTIONS)


def test_extras() -> None:
    """With what each brings; the tests' own are too many to name."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    brought = {
        name: [] if name == "dev" else [re.split(r"[>=<]", each)[0] for each in declared[name]] for name in declared
    }
    assert {ticked(row[0])[0]: ticked(row[1]) for row in table(OPERATING, "extra", "brings", "for")} == brought
    texts = " ".join(page.read_text() for page in PAGES) + "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert set(re.findall(r"isthmus\[(\w+)\]", texts)) <= declared.keys()


def test_the_notice_names_the_version() -> None:
    version = json.loads((SOURCE / "catalogue" / "prices.json").read_bytes())["version"]
    assert f"genai-prices {version} " in (ROOT / "NOTICE").read_text()


def calls() -> Iterator[tuple[str, ast.Call, ModuleType]]:
    for tree, module in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield getattr(node.func, "id", getattr(node.func, "attr", "")), node, module


def text_in(node: ast.expr, module: ModuleType) -> str:
    """Bytes that stand here, by themselves or by a constant's name, as text; else empty."""
    value = node.value if isinstance(node, ast.Constant) else constant(node, module)
    return value.decode() if isinstance(value, bytes) else ""


def asked_headers() -> Iterator[str]:
    """What of a caller's head is looked at: one name looked up, or each line's name compared."""
    for name, call, module in calls():
        if name == "get" and call.args:
            yield text_in(call.args[0], module)
    for tree, module in modules():
        if module.__name__.startswith("isthmus.data_plane.gateway_host."):
            for node in ast.walk(tree):
                if isinstance(node, ast.Compare) and getattr(node.left, "id", "") in ("name", "header"):
                    yield text_in(node.comparators[0], module)


def sent_headers() -> Iterator[str]:
    """Ours that stand before a value, as a line of a head."""
    for tree, module in modules():
        pairs = [node.elts for node in ast.walk(tree) if isinstance(node, ast.Tuple) and len(node.elts) == 2]
        yield from (name for first, _ in pairs if OURS.fullmatch(name := text_in(first, module)))


def test_headers() -> None:
    read = set(first_column(table(API, "header", "value", "effect")))
    sent = set(first_column(table(API, "header", "when", "value")))
    ignored = set(first_column(table(API, "header", "waits for")))
    names = {*asked_headers(), *(name.decode() for name in KEY_HEADERS)} - {"", KEY_IN_A_QUERY}
    names |= {endpoint.key_header.decode() for endpoint in ENDPOINTS if endpoint.key_header is not None}
    names |= {name.decode() for name in (*HEADERS, *ALIASES)}
    forwarded = [name for row in BUILT_IN for name, _ in row.forward]
    forwarded += [name for each in DIALECT_HEADERS.values() for name, _ in each]
    assert read == names | {name.decode() for name in forwarded}
    ours = {*sent_headers(), *(each.decode() for each in vars(cache_use).values() if isinstance(each, bytes))}
    ours |= {name.decode() for name in limit_rate.TOLD}
    assert sent == ours | {name.decode() for name in PASSED_ON} | {"retry-after", "allow", "connection"}
    written = "".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name != "headers.py")
    assert set(re.findall(r'b"((?:cf-aig|x-isthmus)-[a-z-]*[a-z])"', written)) <= ours | names
    assert ignored == {name.decode() for name in UNBUILT} | {"x-session-affinity"} and not ignored & (read | ours)


def handed_on(name: str) -> set[tuple[str, str]]:
    """Functions, by module, that hand an argument of this name on to an error that they make."""
    every = errors()
    found = set()
    for tree, module in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                made = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
                given = [each for call in made if getattr(call.func, "id", "") in every for each in call.keywords]
                if any(each.arg == name and getattr(each.value, "id", "") == name for each in given):
                    found.add((module.__name__, node.name))
    return found


def numbers(name: str) -> Iterator[tuple[str, int]]:
    """Whole numbers that are given by this name, and to which error or other; a constant counts as its value, and what
    a function hands on to an error as given to that."""
    passing = handed_on(name)
    for function, call, module in calls():
        for keyword in call.keywords:
            value = keyword.value
            for option in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
                named = isinstance(option, ast.Name | ast.Attribute)
                number = constant(option, module) if named else getattr(option, "value", None)
                if keyword.arg == name and isinstance(number, int):
                    yield ("GatewayError" if (module.__name__, function) in passing else function), number


def constant(node: ast.expr, module: ModuleType) -> Any:
    """What a name, or a name behind dots, stands for in a module; None for what is known only later."""
    if isinstance(node, ast.Attribute):
        return getattr(constant(node.value, module), node.attr, None)
    return getattr(module, node.id, None) if isinstance(node, ast.Name) else None


def told_by_others() -> set[str]:
    """Modules where an error's status is no number that stands there."""
    every = errors()
    found = set()
    for function, call, module in calls():
        given = [each.value for each in call.keywords if each.arg == "status" and function in every]
        if any(not isinstance(each, ast.Constant) and not isinstance(constant(each, module), int) for each in given):
            found.add(module.__name__.removeprefix("isthmus."))
    return found


def test_errors_and_codes() -> None:
    rows = table(API, "status", "code", "error", "when")
    told = {(ticked(error)[0], int(status), int(code)) for status, code, error, _ in rows}
    every = errors()
    raised = {function for function, *_ in calls()} & every.keys()
    assert {(name, every[name].status, every[name].code) for name in raised} <= told
    (never,) = re.findall(r"^(.*?) are the classes above these and are not raised\.", API, re.MULTILINE)
    assert {*ticked(never), *raised} | {name for name, *_ in told} == every.keys()
    assert raised.isdisjoint(ticked(never))
    server = [call for name, call, module in calls() if name == "_refuse" and module is data_plane_server]
    by_server = [ast.literal_eval(ast.Tuple(call.args[:2])) for call in server]
    assert by_server
    # A provider's own; what a helper is given, whose callers are looked at; what `websockets` says of a handshake.
    socket = "data_plane.gateway_host.websocket.frames"
    assert told_by_others() == {"wire.statuses", "data_plane.gateway_host.address", socket}
    statuses = {number for function, number in numbers("status") if function in every} | {HANDSHAKE_REFUSED}
    assert {status for _, status, _ in told} == statuses | {every[n].status for n in raised} | {n for n, _ in by_server}
    remarks = {int(number) for number in re.findall(r"\b(71\d\d|10000)[,; ]", API)}  # of good answers
    codes = {number for _, number in numbers("code")} | {every[n].code for n in raised} | {n for _, n in by_server}
    assert {code for *_, code in told} | remarks == codes


def test_error_types() -> None:
    """Every word that a dialect may put for a status."""
    types = {f"`{name(status)}`" for status in range(400, 600) for name in (error_type, openai_error_type)}
    assert [name for name in types if name not in API] == []


def test_gateway_fields() -> None:
    told = {ticked(row[0])[0]: row[2].startswith("yes") for row in table(API, "field", "value", "effect today")}
    idle = unbuilt(structs.replace(DEFAULT_SETTINGS, **dict.fromkeys(GatewaySettings.__struct_fields__, object())))
    assert told == {name: name not in idle for name in GatewaySettings.__struct_fields__}


def test_log_row() -> None:
    numbers: dict[str, Any] = dict.fromkeys(LogEntry.__struct_fields__, 1)
    full = LogEntry(**numbers | {"request_body": b"{}", "response_body": b"{}", "notes": "[]"})
    rows = table(API, "field", "in", "is")
    assert set(first_column(rows)) == shape_with_heads(full).keys()
    assert {name for row in rows if "list" in row[1] for name in ticked(row[0])} == shape(full).keys()


# The architecture.


def drawn(block: str) -> Iterator[tuple[int, str, str]]:
    """Depth, name and remark of each line of a tree; several names on a line are several."""
    for line in block.splitlines():
        match = re.fullmatch(r"((?:│   |    )*)(?:[├└]── )?(\S+(?: · \S+(?: …)?| …)*)(?:\s+(.*))?", line)
        assert match, line
        depth = len(match[1]) // 4 + ("── " in line)
        for name in match[2].split(" · "):
            yield depth, name, match[3] or ""


def tree() -> Iterator[tuple[str, bool, bool]]:
    """Path, whether it is built, and whether more stands in it than is named."""
    above: list[str] = []
    for depth, name, remark in drawn(blocks(ARCHITECTURE, "tree")[0]):
        path = "".join(above[:depth]) + name.removesuffix(" …")
        above = [*above[:depth], name.removesuffix(" …")]
        yield path, not remark.startswith("(not built)"), name.endswith(" …")


def test_the_tree() -> None:
    assert [path for path, built, _ in tree() if (ROOT / path).exists() != built] == []
    assert [path for path, built, _ in tree() if built and (ROOT / path).is_dir() != path.endswith("/")] == []
    named = {path for path, *_ in tree()}
    partly = tuple(path for path, _, more in tree() if more)
    files = [path.relative_to(ROOT).as_posix() for path in SOURCE.rglob("*.py") if path.name != "__init__.py"]
    assert [file for file in files if file not in named and not file.startswith(partly)] == []


def test_the_path_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = blocks(ARCHITECTURE, "path")[0]
    names = re.findall(r"\b[a-z_]+/[a-z_/]+\.py\b", picture)
    assert names and [name for name in names if not (SOURCE / name).exists()] == []
    told = re.findall(r"│   (?:policies|data_plane[a-z_/]*)/(\w+)\.py", picture.split("══")[0])
    assert told == stages(monkeypatch)["chat"]


def stages(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The files of those that each handler stands behind, outermost first."""
    behind: dict[Any, list[str]] = {}

    def named(made: Sequence[Any], handler: Any) -> Any:
        async def composed(call: Any) -> Any: ...

        behind[composed] = [stage.__module__.rpartition(".")[2] for stage in made] + behind.get(handler, [])
        return composed

    monkeypatch.setattr(data_plane_pipeline, "compose", named)
    nothing: Any = SimpleNamespace(
        **dict.fromkeys(
            ("store", "replay", "read_chat", "clock", "current", "deliver", "dialects", "embedder", "index")
        )
    )
    parts: dict[str, Any] = dict.fromkeys(data_plane_pipeline.Parts.__struct_fields__)
    parts |= {
        "cache": AnswerCache(nothing, CacheLimits()),
        "semantic": SemanticAnswers(nothing),
        "native": Native(nothing, {}, NativeLimits()),
    }
    handlers = data_plane_pipeline.pipeline(data_plane_pipeline.Parts(**parts))
    return {name: behind[handler] for name, handler in handlers.items()}


def test_the_other_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(ARCHITECTURE, "handler", "stages", "then")
    groups = {ticked(name)[0]: ticked(members) for name, members in table(ARCHITECTURE, "together", "stages")}
    told = {
        name: [stage for each in ticked(before) for stage in groups.get(each, [each])]
        for names, before, _ in rows
        for name in ticked(names)
    }
    assert told == stages(monkeypatch)
    assert told.keys() == {value.handler for value in endpoints()}
    for row in rows:
        assert all((SOURCE / name).exists() for name in ticked(row[2]))


def endpoints() -> list[Endpoint]:
    """Every one in the table of addresses."""
    tables = [each if isinstance(each, dict) else {"": each} for each in vars(data_plane_routes).values()]
    held = [value for each in tables for value in each.values()]
    return [value for value in held if isinstance(value, Endpoint)]


def test_the_types() -> None:
    for name, file, _ in table(ARCHITECTURE, "type", "in", "is"):
        kind = at(f"{file.strip('`').removesuffix('.py').replace('/', '.')}.{name.strip('`')}")
        assert isinstance(kind, type) or get_args(kind)
    for name, union in (("Event", Event), ("Part", Part)):
        (kinds,) = re.findall(rf"`{name}` is one of (.*?)\.\n", ARCHITECTURE, re.DOTALL)
        assert ticked(kinds) == [kind.__name__ for kind in get_args(union)]


def test_the_errors_tree() -> None:
    told: dict[str, str] = {}
    above: list[str] = []
    for depth, name, _ in drawn(blocks(ARCHITECTURE, "errors")[0]):
        above = [*above[:depth], name]
        told[name] = above[depth - 1] if depth else "Exception"
    assert told == {name: error.__bases__[0].__name__ for name, error in errors().items()}


def test_the_arrows() -> None:
    may = runpy.run_path(str(ROOT / "tests" / "test_house.py"))["MAY_IMPORT"]
    told = {
        room: set(ticked(allowed))
        for rooms, allowed in table(ARCHITECTURE, "room", "may import")
        for room in ticked(rooms)
    }
    assert told == {room: allowed for room, allowed in may.items() if room not in ("errors", "clock")}


# All pages.


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for name, anchor in re.findall(r"\]\((?!https://)([^)\s#]*)#?([^)\s]*)\)", prose(page.read_text())):
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), name
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings], anchor


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    """A path between back ticks, below the repository, the package or the page's own folder."""
    places = (ROOT, SOURCE, page.parent)
    for name in ticked(prose(page.read_text())):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*(\.(py|md|sql|toml)|/)", name) and "isthmus-data" not in name:
            anywhere = "/" not in name and any(SOURCE.rglob(name))
            assert name == "isthmus.toml" or anywhere or any((place / name).exists() for place in places), name


@each_page
def test_lines_are_short(page: Path) -> None:
    if page.name != "performance.md":  # its tables have long sentences
        assert [line for line in page.read_text().splitlines() if len(line) > 120] == []


def test_the_readmes_calls_are_served() -> None:
    typed = re.findall(
        r"curl \$BASE/ai/(\S+) .*?-d '(.*?)'$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    spoken = []
    for path, body in typed:
        address = find(f"{PREFIX}account/ai/{path}")
        assert isinstance(address, Address) and address.endpoint is not None, path
        spoken.append(address.endpoint.dialect)
        if address.endpoint.dialect in EMBEDDINGS:
            assert EMBEDDINGS[address.endpoint.dialect].read_request(Body(body.encode())).texts
        elif address.endpoint.dialect is not None:
            assert DIALECTS[address.endpoint.dialect].read_request(Body(body.encode())).messages
        else:
            assert json.loads(body)["input"]
    assert set(spoken) == {endpoint.dialect for endpoint in ENDPOINTS}


def test_the_readmes_calls_by_the_gateway_host_are_served() -> None:
    typed = re.findall(
        r"curl \$GATEWAY(\S*) .*?-d '(.*?)'$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    answered = []
    for path, body in typed:
        address = find_older(f"{GATEWAY_HOST}account/default{path}")
        assert address is not None and address.endpoint is not None, path
        answered.append(address.endpoint.handler)
        steps = read_steps(body.encode()) if address.endpoint is UNIVERSAL else ()
        asked = [(step.provider, step.rest, step.body) for step in steps] or [
            (address.provider, address.rest, body.encode())
        ]
        for provider, rest, query in asked:
            assert says_something(provider, rest, query), path
    assert answered == ["native", "compat", "universal"]


def says_something(provider: str, rest: str, query: bytes) -> bool:
    """Of a path that is ours, or one that is known of its provider."""
    ours = find_older(f"{GATEWAY_HOST}account/default/{provider}/{rest}")
    dialect = ours.endpoint.dialect if ours is not None and ours.endpoint is not None else None
    if dialect is None and provider != WORKERS_AI:
        (row,) = [each for each in BUILT_IN if each.slug == provider]
        at_row = recognised(row, rest)
        assert at_row is not None, rest
        dialect = DIALECTS[at_row.dialect].name
    return bool(DIALECTS[dialect or "workers_ai"].read_request(Body(query)).messages)
