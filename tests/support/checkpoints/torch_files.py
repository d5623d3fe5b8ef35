"""Files that PyTorch writes, read without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from trtzoo.converters.checkpoint.reader import read_checkpoint


def saved(file: Path, value: Any, *, as_zip: bool = True, protocol: int = 2) -> Any:
    torch.save(value, file, _use_new_zipfile_serialization=as_zip, pickle_protocol=protocol)
    return read_checkpoint(file)


def in_numpy(tensor: Any) -> np.ndarray[Any, Any]:
    """The oracle: what PyTorch makes of a tensor."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()  # type: ignore[no-any-return]
