"""The errors that a user can cause: one base class, a few named kinds.

The message of each says what was wrong, where (file, line, section, layer, tensor) and what to do about it; the command
line prints it as its last line, `error: ...`, and exits with code 1.
"""


class TrtZooError(Exception):
    """Base of every error that trtzoo raises on purpose."""


class InputError(TrtZooError):
    """A file, picture or argument that cannot be read or does not say what it must."""


class ModelError(TrtZooError):
    """A model whose own description is inconsistent: weights of another cfg, shapes that do not fit."""


class UnsupportedError(TrtZooError):
    """Something well formed that trtzoo does not convert, build or run."""


class VerificationError(TrtZooError):
    """An output that does not keep its contract, found by checking it after it was written."""


class MissingDependencyError(TrtZooError):
    """An optional package that the requested work needs and this environment lacks."""
