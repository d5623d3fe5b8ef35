"""Pictures are divided the same way everywhere, and every one is in exactly one part."""

from __future__ import annotations

import pytest

from trtzoo.data.split import split_pictures
from trtzoo.errors import InputError


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    for number in range(20):
        path = folder / ("deep" if number % 2 else "") / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "notes.txt").touch()
    return folder


def lists(folder):
    return {path.stem: path.read_text().splitlines() for path in folder.glob("*.txt")}


@pytest.mark.parametrize(
    ("shares", "counts"),
    [((0.7, 0.2, 0.1), [14, 4, 2]), ((7, 2, 1), [14, 4, 2]), ((0.5, 0.5), [10, 10]), ((1, 1, 1), [7, 6, 7])],
)
def test_every_picture_is_in_one_part(images, tmp_path, shares, counts):
    done = split_pictures(images, tmp_path / "out", shares, prefix="./images/")
    assert list(done.values()) == counts
    parts = lists(tmp_path / "out")
    assert {name: len(part) for name, part in parts.items()} == done
    every = sorted(line for part in parts.values() for line in part)
    assert every == sorted(f"./images/{path.relative_to(images).as_posix()}" for path in images.rglob("*.jpg"))


def test_a_seed_gives_the_same_parts_again_and_another_gives_others(images, tmp_path):
    found = []
    for number, seed in enumerate((0, 0, 1)):
        split_pictures(images, tmp_path / str(number), (0.5, 0.5), seed)
        found.append(lists(tmp_path / str(number)))
    assert found[0] == found[1] != found[2]


def test_the_order_is_not_that_of_the_names(images, tmp_path):
    split_pictures(images, tmp_path / "out", (0.5, 0.5))
    assert lists(tmp_path / "out")["train"] != sorted(lists(tmp_path / "out")["train"])


def test_a_prefix_stands_before_each_path(images, tmp_path):
    split_pictures(images, tmp_path / "out", (0.5, 0.5), prefix="/data/")
    assert all(line.startswith("/data/") for part in lists(tmp_path / "out").values() for line in part)


@pytest.mark.parametrize("output", [".", "lists", "images", "images/deep"])
def test_each_line_leads_from_its_list_to_the_picture(images, tmp_path, output):
    split_pictures(images, tmp_path / output, (0.5, 0.5))
    for line in (line for part in lists(tmp_path / output).values() for line in part):
        assert line.startswith("./") and not line.startswith("././")
        assert (tmp_path / output / line).is_file()


MISTAKES = {
    "one share": ((1.0,), "two or three shares"),
    "a share of nothing": ((0.5, 0.0, 0.5), "above 0"),
    "too few pictures": ((0.98, 0.01, 0.01), "val would be empty"),
}


@pytest.mark.parametrize(("shares", "said"), MISTAKES.values(), ids=MISTAKES)
def test_shares_that_are_none_are_refused(images, tmp_path, shares, said):
    with pytest.raises(InputError, match=said):
        split_pictures(images, tmp_path / "out", shares)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no picture"):
        split_pictures(tmp_path, tmp_path / "out", (0.5, 0.5))
