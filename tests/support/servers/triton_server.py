"""A real Triton server on the CPU, from the wheel of nvidia-pytriton on PyPI; its C++ execution backends are stand-ins here."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cached_packages import ROOT, installed_or_reason

BACKENDS = ROOT / "tests" / "bundles" / "data" / "backends"
REQUIREMENT = "nvidia-pytriton==0.7.0"
PYTHONS = range(8, 14)


def wheel_or_reason() -> tuple[Path | None, str]:
    """The unpacked wheel, installed once into .cache, or why there is none."""
    if platform.system() != "Linux" or platform.machine() != "x86_64" or sys.version_info.minor not in PYTHONS:
        return None, "the wheel of Triton's server is for Linux on x86-64 and Python 3.8 to 3.13"
    return installed_or_reason("triton/server", REQUIREMENT)


@dataclass
class Server:
    """A running server: addresses, process, and what it said."""

    http: str
    grpc: str
    process: subprocess.Popen[bytes]
    log: Path

    def address(self, protocol: str, model: str) -> str:
        return f"triton://{getattr(self, protocol)}/{model}"


def assemble(wheel: Path, into: Path) -> Path:
    """The backends: the python one with the stub of this Python, ours beside it."""
    dist, folder = wheel / "pytriton" / "tritonserver", into / "backends"
    shutil.copytree(BACKENDS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "python").mkdir()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = dist / "python_backend_stubs" / version / "triton_python_backend_stub"
    for source in (*(dist / "backends" / "python").iterdir(), stub):
        shutil.copyfile(source, folder / "python" / source.name)  # a link would not do: RPATH is relative to the file
        (folder / "python" / source.name).chmod(0o755)
    return folder


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def triton(
    wheel: Path, repository: Path, *flags: str, env: dict[str, str] | None = None, wait: float = 90
) -> Iterator[Server]:
    """A running server, ended when the block is left.

    Raises:
        RuntimeError: it ended before it was ready, with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="triton-") as scratch:
        http, grpc = free_ports(2)
        prefix = f"t{os.getpid()}_{http}"
        command = [
            str(wheel / "pytriton" / "tritonserver" / "bin" / "tritonserver"),
            f"--model-repository={repository}", f"--backend-directory={assemble(wheel, Path(scratch))}",
            "--http-address=127.0.0.1", f"--http-port={http}", "--grpc-address=127.0.0.1", f"--grpc-port={grpc}",
            "--allow-metrics=false", "--disable-auto-complete-config", "--exit-timeout-secs=10",
            f"--backend-config=python,shm-region-prefix-name={prefix}",
            "--backend-config=python,shm-default-byte-size=16777216", *flags,
        ]  # fmt: skip
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": os.pathsep.join(
                [str(wheel / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR") or ""]
            ),
            # The stub embeds Python and finds the virtual environment through the first python3 of PATH.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            **(env or {}),
        }
        log = Path(scratch) / "server.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        server = Server(f"127.0.0.1:{http}", f"127.0.0.1:{grpc}", process, log)
        try:
            _wait(server, wait)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for left in Path("/dev/shm").glob(f"{prefix}*"):
                left.unlink(missing_ok=True)


def _wait(server: Server, seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not _ready(server):
        if server.process.poll() is not None:
            raise RuntimeError(f"tritonserver ended with {server.process.returncode}:\n{server.log.read_text()}")
        if time.monotonic() > limit:
            raise RuntimeError(f"tritonserver was not ready in {seconds} s:\n{server.log.read_text()}")
        time.sleep(0.05)


def _ready(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"http://{server.http}/v2/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
