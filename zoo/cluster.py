"""The same steps on a Ray cluster: each on a node that has what it needs, its files in a folder that all nodes share.

The order of the steps stays this process's business (`build`); Ray only decides where a command runs. An engine is built on a node
that carries its GPU's label as the custom resource `gpu:LABEL`; everything else is spread over the nodes' CPUs. A step whose
worker or node dies is done again by Ray on another one: commands write their files whole or not at all, so that is safe.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingDependencyError
from .runners import StepError, check, command_line, environment, perform
from .steps import Step
from .store import Store

RETRIES = 3
"""How often a step is started anew after its worker or node died."""

_SETTINGS = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


class RayRunner:
    """Runs steps on a Ray cluster. Used as a context, it leaves the cluster at the end, and what Ray says goes to stderr.

    Args:
        address: of the cluster ("auto", "HOST:PORT"), or "" to start one on this machine.
        folder: that the steps start in; every node must see it under the same path, unless a store is behind it.
        store: behind it, where products lie behind a URL that every node reaches.

    Raises:
        MissingDependencyError: ray is not installed.
        InputError: there is no cluster at the address.
    """

    def __init__(self, address: str, folder: Path, store: Store | None = None) -> None:
        self._ray = _import_ray()
        self._folder, self._store = folder, store
        self._pending: set[Any] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._connect(address)
        self._remote = self._ray.remote(_run_command)

    def __enter__(self) -> RayRunner:
        # Ray tells of dead workers on stdout, where a summary in JSON would no longer be one document.
        self._aside = contextlib.redirect_stdout(sys.stderr)
        self._aside.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()
        self._aside.__exit__(None, None, None)

    @property
    def workers(self) -> int:
        """CPUs of the cluster: so many steps are worth starting at a time."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @property
    def gpus(self) -> tuple[str, ...]:
        """The labels of the GPUs that some node has."""
        return tuple(sorted(name[4:] for name in self._ray.cluster_resources() if name.startswith("gpu:")))

    def __call__(self, step: Step) -> None:
        """Run a step on a node that fits it and wait for it.

        Raises:
            StepError: it failed, no node has its GPU, or everything was stopped.
        """
        if step.gpu and step.gpu not in self.gpus:
            raise StepError(
                f"no node of the cluster has the resource gpu:{step.gpu}; start one with "
                f"`ray start --resources '{{\"gpu:{step.gpu}\": 1}}'`"
            )
        check(*self._wait(step))

    def stop(self) -> None:
        """Cancel what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for reference in self._pending:
                self._ray.cancel(reference, force=True)

    def _wait(self, step: Step) -> tuple[int, bytes]:
        with self._lock:
            if self._stopped:
                raise StepError("interrupted")
            options: dict[str, Any] = {"num_cpus": 1, "max_retries": RETRIES, "scheduling_strategy": "SPREAD"}
            if step.gpu:
                options["resources"] = {f"gpu:{step.gpu}": 1}
            reference = self._remote.options(**options).remote(step, self._folder, self._store)
            self._pending.add(reference)
        try:
            code, err = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            raise StepError(f"lost on the cluster: {str(error).strip().splitlines()[0][:200]}") from error
        finally:
            with self._lock:
                self._pending.discard(reference)
        return int(code), bytes(err)

    def _connect(self, address: str) -> None:
        _require_answer(address)
        os.environ.update({key: os.environ.get(key, value) for key, value in _SETTINGS.items()})
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address:
            options["address"] = address
        else:
            options |= {"include_dashboard": False, "object_store_memory": 128 << 20}
        try:
            with contextlib.redirect_stdout(None):
                self._ray.init(**options)
        except Exception as error:  # Ray raises it bare where a node does not start in time
            reason = str(error).strip().splitlines()[0][:200]
            if not address:
                raise InputError(
                    f"--ray: no cluster starts on this machine ({reason}); try again when it is less busy"
                ) from error
            raise InputError(
                f"--ray {address}: no Ray cluster answers there ({reason}); start one with `ray start --head`"
            ) from error


def _require_answer(address: str) -> None:
    """Refuse an address at which nothing listens: Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise InputError(
            f"--ray {address}: no Ray cluster answers there ({error.strerror or error}); start one with `ray start --head`"
        ) from error


def _run_command(step: Step, folder: Path, store: Store | None) -> tuple[int, bytes]:
    """On a node: exit code and errors of a step's command, which dies with the worker that waits for it."""
    if store:
        folder.mkdir(parents=True, exist_ok=True)

    def run(moved: Step) -> tuple[int, bytes]:
        done = subprocess.run(
            command_line(moved, os.getpid()), cwd=folder, env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr

    return perform(step, store, run)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("--ray needs Ray; run `pip install 'trtzoo[ray]'`") from error
    return ray
