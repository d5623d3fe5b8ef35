"""YAML of users: the line of every value, and of every mistake."""

from __future__ import annotations

import pytest

from trtzoo.contract.yaml_lines import read_node, value_of
from trtzoo.errors import InputError

TEXT = "# a comment\nmodels:\n- name: a\n  size: [1, 2]\n\nempty:\n"


def test_values_and_their_lines(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(TEXT)
    node, lines = read_node(path)
    assert value_of(node, path) == {"models": [{"name": "a", "size": [1, 2]}], "empty": None}
    wanted = {"$.models": 2, "$.models[0]": 3, "$.models[0].name": 3, "$.models[0].size[1]": 4, "$.empty": 6}
    assert {place: lines[place] for place in wanted} == wanted


def test_an_empty_file_is_nothing(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# only a comment\n")
    assert read_node(path) == (None, {}) and value_of(None, path) is None


MISTAKES = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", "a.yaml:3: the key 'a' stands here a second time"),
    "a key that is none": ("b: 1\n[a]: 1\n", "a.yaml:2: a list or mapping is no key"),
    "a bracket": ("a: [1\n", "a.yaml:2: .*; mend the YAML"),
    "a circle": ("a: &a [*a]\n", "a.yaml: values that hold each other"),
    "a tag of others": ("b: 1\na: !thing 1\n", "a.yaml:2: .*'!thing'; put quotes around what is text"),
    "a day that is none": ("a: 2024-02-31\n", "a.yaml: day .*; put quotes around what is text"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line(text, message, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        value_of(read_node(path)[0], path)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*; check the path"):
        read_node(tmp_path)
