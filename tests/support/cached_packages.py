"""Packages of the index that are too large or too much at odds with each other for the test environment, installed once into .cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def installed_or_reason(folder: str, *requirements: str) -> tuple[Path | None, str]:
    """The folder below .cache that holds these packages, or why there is none."""
    home = ROOT / ".cache" / folder
    if home.is_dir():
        return home, ""
    staging = home.with_name(f"{home.name}.{os.getpid()}")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(staging)]
    done = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(staging, ignore_errors=True)
        return None, f"pip cannot get {' '.join(requirements)}: {done.stderr.strip().splitlines()[-1:]}"
    with contextlib.suppress(OSError):  # another test was first
        staging.replace(home)
    shutil.rmtree(staging, ignore_errors=True)
    return home, ""
