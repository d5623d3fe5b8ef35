"""Make a virtual environment, also on a Debian whose Python came without its venv module."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import venv


def main(folder: str) -> None:
    """Create `folder`; install Debian's python3-venv first where pip cannot be bootstrapped without it."""
    if importlib.util.find_spec("ensurepip") is None:
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            sys.exit("error: Python's ensurepip module is missing; run `apt install python3-venv` and try again")
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-qq", "-y", "python3-venv"], check=True)
    venv.create(folder, with_pip=True, clear=True)


if __name__ == "__main__":
    main(sys.argv[1])
