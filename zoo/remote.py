"""Files behind URLs that `requests` does not know, `s3://` and its like: fsspec reaches them, with its plug-ins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import InputError, MissingDependencyError


def open_url(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it.

    Raises:
        InputError: there is no such scheme.
        MissingDependencyError: fsspec, or the plug-in for the scheme, is not installed.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingDependencyError(f"{url} needs fsspec; run `pip install 'trtzoo[s3]'`") from error
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        raise MissingDependencyError(
            f"{url}: {error}; for s3:// run `pip install 'trtzoo[s3]'`, else install what is named, on every node too"
        ) from error
    except ValueError as error:
        raise InputError(f"{url}: {error}; give a path, or a URL whose scheme fsspec knows, such as s3://") from error
    except Exception as error:  # some plug-ins connect here
        raise _unusable(url, error) from error
    return system, str(path).rstrip("/")


@contextmanager
def said(url: str) -> Iterator[None]:
    """Within it, what a file system raises becomes one line; a file that is not there stays FileNotFoundError.

    Raises:
        InputError: the store does not answer, or refuses.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # plug-ins raise what their libraries do: botocore's, gcsfs' and azure's own errors
        raise _unusable(url, error) from error


def _unusable(url: str, error: Exception) -> InputError:
    reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return InputError(f"{url} cannot be used: {reason[:200]}; check the URL, its rights and credentials")
