"""A folder appears whole or not at all, and what else lies in it stays."""

from __future__ import annotations

import pytest

from trtzoo.errors import InputError
from trtzoo.files import staged_folder


def test_files_join_those_that_are_there(tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("kept", "replaced"):
        (tmp_path / "out" / name).write_text("old")
    with staged_folder(tmp_path / "out") as folder:
        (folder / "deep").mkdir()
        for name in ("replaced", "deep/new"):
            (folder / name).write_text("new")
        assert (tmp_path / "out" / "replaced").read_text() == "old"
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"out/kept": "old", "out/replaced": "new", "out/deep/new": "new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_nothing_is_left(error, tmp_path):
    with pytest.raises(error), staged_folder(tmp_path / "out") as folder:
        (folder / "half").write_text("new")
        raise error
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "out").write_text("file")
    with pytest.raises(InputError, match="is a file"), staged_folder(tmp_path / "out"):
        pass
