"""Reads isthmus.toml into values, and finds everything that is wrong with it: an unknown key is an error that names it,
with file, line and the mend.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from isthmus.configuration.declared import (
    NOTHING,
    Declared,
    ModelDeclared,
    PriceDeclared,
    ProviderDeclared,
)
from isthmus.configuration.place import line_of
from isthmus.configuration.sense import Known, Remark, remarks
from isthmus.core.gateway import GatewayId, GatewaySettings
from isthmus.settings import OperatorError
from isthmus.validation.fields import InvalidFields, Problem, problems, type_of, unknown_key
from isthmus.validation.gateway_settings import declared_settings

DEFAULT_FILE = "isthmus.toml"
SECTIONS = ("providers", "models", "prices", "gateways", "platform_models_without_gateway")
MAX_FILE_BYTES = 16 * 1024 * 1024

T = TypeVar("T")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line for the operator. A warning does not keep the server from starting."""

    file: str
    line: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {'warning: ' if self.warning else ''}{self.message}"


class ConfigurationError(OperatorError):
    """The file cannot be used; `findings` holds all the reasons."""

    def __init__(self, findings: list[Finding]) -> None:
        more = f" (and {len(findings) - 1} more: run isthmus check)" if len(findings) > 1 else ""
        super().__init__(f"{findings[0]}{more}")
        self.findings = findings


def load_declared(config_file: str | None, known: Known) -> Declared:
    """What the file declares. None: isthmus.toml of the working directory if there is one. Raises
    `ConfigurationError`, or `OperatorError` where a file that was named cannot be read."""
    declared, findings = check_file(config_file, known)
    errors = [finding for finding in findings if not finding.warning]
    if errors:
        raise ConfigurationError(errors)
    return declared


def check_file(config_file: str | None, known: Known) -> tuple[Declared, list[Finding]]:
    """What could be read of the file, and everything there is to say about it, in the order of its lines."""
    path = Path(config_file or DEFAULT_FILE)
    if config_file is None and not path.exists():
        return NOTHING, []
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES)
        declared_at = path.stat().st_mtime
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from None
    reading = _Reading(path)
    try:
        text = content.decode()
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return NOTHING, [Finding(file=str(path), line=line, message="not valid UTF-8: save the file as UTF-8")]
    except tomllib.TOMLDecodeError as error:
        return NOTHING, [_syntax_finding(path, str(error))]
    declared = structs.replace(reading.read(tables), declared_at=declared_at)
    found = [*reading.found, *remarks(declared, known)]
    findings = [_finding(path, text, remark) for remark in found]
    return declared, sorted(findings, key=lambda finding: finding.line)


class _Reading:
    """Gathers what is wrong while reading on: what is sound of a file is still checked for sense."""

    def __init__(self, path: Path) -> None:
        self._folder = path.absolute().parent
        self.found: list[Remark] = []

    def read(self, tables: dict[str, Any]) -> Declared:
        for name in tables:
            if name not in SECTIONS:
                self._note(Problem(path=(name,), message=unknown_key(name, SECTIONS)))
        providers = self._section(tables, "providers", self._as(ProviderDeclared))
        models = self._section(tables, "models", self._as(ModelDeclared))
        return Declared(
            providers={name: self._with_place(provider) for name, provider in providers.items()},
            models={name: self._with_file(model) for name, model in models.items()},
            prices=self._section(tables, "prices", self._as(PriceDeclared)),
            gateways=self._section(tables, "gateways", self._gateway),
            platform_models_without_gateway=self._platform_models(tables),
        )

    def _section(
        self, tables: dict[str, Any], section: str, read: Callable[[Any, tuple[str, ...]], T | None]
    ) -> dict[str, T]:
        entries = tables.get(section, {})
        if not isinstance(entries, dict):
            self._note(Problem(path=(section,), message=f"must be a table: [{section}.NAME]"))
            return {}
        found = ((name, read(entry, (section, name))) for name, entry in entries.items())
        return {name: value for name, value in found if value is not None}

    def _as(self, kind: type[T]) -> Callable[[Any, tuple[str, ...]], T | None]:
        wanted = type_of(kind)

        def read(entry: Any, path: tuple[str, ...]) -> T | None:
            wrong = list(problems(entry, wanted, path))
            self._note(*wrong)
            return None if wrong else msgspec.convert(entry, kind)

        return read

    def _gateway(self, entry: Any, path: tuple[str, ...]) -> GatewaySettings | None:
        self._note(*problems(path[-1], type_of(GatewayId), path))
        if not isinstance(entry, dict):
            self._note(Problem(path=path, message=f"must be a table: [gateways.{path[-1]}]"))
            return None
        try:
            return declared_settings(entry, path)
        except InvalidFields as error:
            self._note(*error.problems)
            return None

    def _platform_models(self, tables: dict[str, Any]) -> Any:
        name = "platform_models_without_gateway"
        field = next(each for each in structs.fields(Declared) if each.name == name)
        wrong = list(problems(tables.get(name), type_of(field.type), (name,)))
        self._note(*wrong)
        return None if wrong else tables.get(name)

    def _with_place(self, provider: ProviderDeclared) -> ProviderDeclared:
        base_url, credential = provider.base_url, provider.credential
        if base_url is not None and not base_url.endswith("/"):
            base_url += "/"
        if credential is not None:
            credential = self._absolute(credential)
        headers = {name: self._absolute(value) for name, value in provider.headers.items()}
        return structs.replace(provider, base_url=base_url, credential=credential, headers=headers)

    def _absolute(self, form: str) -> str:
        return f"file:{self._folder / form.removeprefix('file:')}" if form.startswith("file:") else form

    def _with_file(self, model: ModelDeclared) -> ModelDeclared:
        return model if model.file is None else structs.replace(model, file=str(self._folder / model.file))

    def _note(self, *wrong: Problem) -> None:
        self.found.extend(Remark(path=each.path, message=each.message) for each in wrong)


def _finding(path: Path, text: str, remark: Remark) -> Finding:
    place = _place(remark.path)
    return Finding(
        file=str(path), line=line_of(text, remark.path), message=f"{place}: {remark.message}", warning=remark.warning
    )


def _place(path: tuple[str, ...]) -> str:
    """`[providers.vllm] base_url`, as one would look for it in the file."""
    quoted = [part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in path]
    return (
        " ".join([f"[{'.'.join(quoted[:2])}]", *([".".join(quoted[2:])] if quoted[2:] else [])])
        if path[1:]
        else path[0]
    )


def _syntax_finding(path: Path, message: str) -> Finding:
    """The parser tells the line in its text alone."""
    match = re.search(r"\(at line (\d+), column \d+\)", message)
    return Finding(file=str(path), line=int(match[1]) if match else 1, message=f"not valid TOML: {message}")
