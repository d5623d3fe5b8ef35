"""`detections.jsonl`, a line a picture as it is done, and at the end the same as one document, `detections.json`.

docs/schemas/detections.schema.json describes both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....contract.meta import ModelMeta
from ....errors import InputError
from ....files import atomic_write, printable
from . import coco
from .result import Ending, Result, Skipped

SCHEMA, VERSION = "trtzoo.detections", 1
"""Of both files; the version is raised when a value changes its meaning."""

LINES, DOCUMENT = "detections.jsonl", "detections.json"
_PREFIX = f'{{"schema": "{SCHEMA}", "version": {VERSION}, '


class Journal:
    """Both files of one run.

    Lines reach the disk one by one, so that a run that is killed keeps what it did; the documents of an earlier run are
    removed at once, since they would look like this one's.

    Args:
        folder: where they are.
        model: its name.
        meta: of the model.
        annotated: whether there are annotated copies to be named.

    Attributes:
        pictures: how many have a line.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, model: str, meta: ModelMeta, annotated: bool = True) -> None:
        self._path, self._document, self._annotated = folder / LINES, folder / DOCUMENT, annotated
        self._head = {
            "schema": SCHEMA,
            "version": VERSION,
            "model": printable(model),
            "task": meta.task,
            "names": list(meta.names),
        }
        self.pictures = 0
        try:
            for earlier in (DOCUMENT, coco.NAME):
                (folder / earlier).unlink(missing_ok=True)
            self._stream = self._path.open("wb", buffering=0)
        except OSError as error:
            raise InputError(
                f"cannot write {printable(self._path)}: {error.strerror}; choose another folder with -o"
            ) from error

    def write(self, result: Result) -> None:
        """Append the record of a picture."""
        height, width = result.found.size
        record: dict[str, Any] = {"file": result.job.source.name, "width": width, "height": height}
        if self._annotated:
            record["annotated"] = printable(result.job.target.name)
        if result.job.source.video:
            record["frame"] = result.frame
        self._append(record | {"detections": result.found.to_records()})
        self.pictures += 1

    def skip(self, skipped: Skipped) -> None:
        """Append a line about a source that could not be read."""
        self._append({"file": skipped.job.source.name, "skipped": skipped.reason})

    def close(self, ending: Ending) -> None:
        """Write the document from the lines; `complete` says whether the run came to its end."""
        self._stream.close()
        with atomic_write(self._document) as stream:
            head = json.dumps(self._head | {"complete": ending == "done"}, ensure_ascii=False)
            stream.write(head[:-1].encode() + b',\n"pictures": [')
            for part in self._joined(skipped=False):
                stream.write(part)
            stream.write(b'\n],\n"skipped": [')
            for part in self._joined(skipped=True):
                stream.write(part)
            stream.write(b"\n]}\n")

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False)
        try:
            self._stream.write((_PREFIX + line[1:] + "\n").encode())
        except OSError as error:
            raise InputError(f"cannot write {printable(self._path)}: {error.strerror}; free some space") from error

    def _joined(self, skipped: bool) -> Iterator[bytes]:
        """The lines of one kind as the items of a JSON list; one at a time, since a video has very many."""
        comma = b"\n"
        with self._path.open("rb") as lines:
            for line in lines:
                if ("skipped" in json.loads(line)) == skipped:
                    yield comma + b"{" + line.rstrip()[len(_PREFIX) :]
                    comma = b",\n"
