"""How each system is started: the upstream, nginx and Isthmus."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

from bench import answers
from bench.systems.server import BenchError, Command, Launch, Server, free_port

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
API_TOKEN = "bench-0123456789abcdef0123456789abcdef"
_TOOLS = {"wrk": "wrk", "nginx": "nginx-light", "cc": "gcc"}
_COMPILE_SECONDS = 30
# As much as a round of calls that differ fills: a run comes to where the oldest answers have to go.
_CACHE_BYTES = 64 * 1024 * 1024
_HERE = Path(__file__).parent


def require_tools() -> None:
    """Says all that is missing at once, and the Debian package each comes in."""
    missing = [name for name in _TOOLS if find_program(name) is None]
    if missing:
        packages = " ".join(_TOOLS[name] for name in missing)
        raise BenchError(f"not found: {', '.join(missing)}. Install with: apt-get install {packages}")


def find_program(name: str) -> str | None:
    """On the path, where administrators' programs are, or beside our interpreter."""
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", str(Path(sys.executable).parent)]
    return shutil.which(name, path=os.pathsep.join(places))


def write_config(name: str, target: Path, **values: object) -> Path:
    """A configuration that lies beside this file, with its $names filled in."""
    target.write_text(Template((_HERE / name).read_text()).substitute(values))
    return target


def start_upstream(directory: Path) -> Server:
    compiler, program = find_program("cc") or "cc", directory / "upstream"
    answers.write_answers(directory / "answers")
    compiled = subprocess.run(
        [compiler, "-O2", "-o", program, _HERE.parent / "upstream.c"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_COMPILE_SECONDS,
        check=False,
    )
    if compiled.returncode:
        raise BenchError(f"{compiler} could not compile upstream.c:\n{compiled.stderr.decode(errors='replace')}")
    port = free_port()
    command: Command = [program, directory / "answers", str(port)]
    return Server(Launch(name="upstream", command=command, port=port, directory=directory))


def start_nginx(directory: Path, upstream_port: int) -> Server:
    """One worker, as the user who runs the benchmark; everything it writes is below `directory`."""
    home, port = directory / "nginx", free_port()
    home.mkdir()
    user = ""
    if os.geteuid() == 0:  # else the worker is whoever nginx was built for, who cannot enter our directory
        user = f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"
    config = write_config("nginx.conf", home / "nginx.conf", user=user, port=port, upstream_port=upstream_port)
    command: Command = [find_program("nginx") or "nginx", "-e", "stderr", "-p", home, "-c", config]
    return Server(Launch(name="nginx", command=command, port=port, directory=directory))


def isthmus_program() -> Path:
    """The command beside the interpreter that runs the benchmark."""
    return Path(sys.executable).with_name("isthmus")


def isthmus_launch(directory: Path, upstream_port: int, program: Command = ()) -> Launch:
    """A server whose data is in `directory`, where an earlier start may have left some."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = write_config("isthmus.toml", directory / "isthmus.toml", upstream_port=upstream_port)
    options: Command = ["--host", "127.0.0.1", "--port", str(port), "--data", directory / "data", "--config", config]
    identity = ["--account-id", ACCOUNT_ID, "--api-token", API_TOKEN]
    bounds = ["--cache-max-bytes", str(_CACHE_BYTES)]
    return Launch(
        name="isthmus",
        command=[*(program or [isthmus_program()]), "serve", *options, *identity, *bounds],
        port=port,
        directory=directory,
        environment={"OPENAI_API_KEY": "upstream", "ANTHROPIC_API_KEY": "upstream"},
        ready_path="/health/ready",
    )
