"""A step's process: the command line of trtzoo, which ends when the process that wants its result ends.

    python -m trtzoo.zoo.child PARENT COMMAND ...

PARENT is the number of the process that started this one. Where it is killed, nobody is left to hear of the result, and a
later run would start the same step again beside this one.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the command in the arguments."""
    parent = int(sys.argv[1])
    _die_with(parent)
    # A step is what its command says: flags of a pyproject.toml here, or on another node, would go unrecorded.
    sys.argv = ["trtzoo", "--config", os.devnull, *sys.argv[2:]]
    runpy.run_module("trtzoo", run_name="__main__", alter_sys=True)


def _die_with(parent: int) -> None:
    """Be killed when the parent dies, which may be so already (Linux; elsewhere the step just runs to its end)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


if __name__ == "__main__":
    main()
