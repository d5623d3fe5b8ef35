"""`trtzoo completion`: the script is loaded by the shell itself, which then completes what is typed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from trtzoo.cli import build_parser, main
from trtzoo.cli.commands.setup.completion import SHELLS

TYPED = {
    "a command": (["conv"], {"convert"}),
    "a command of a command": (["zoo", "b"], {"build"}),
    "a flag": (["convert", "a.pt", "--end"], {"--end2end"}),
    "a flag that every command takes": (["zoo", "list", "--log"], {"--log-file"}),
    "a choice": (["convert", "a.pt", "--nms", "st"], {"static"}),
    "a shell": (["completion", "z"], {"zsh"}),
    "a file": (["convert", "model"], {"model.cfg"}),
    "a file of a flag": (["convert", "model.cfg", "--weights", "other"], {"other.weights"}),
    "a picture of several": (["detect", "model.cfg", "a.jpg", "b"], {"b.jpg"}),
    "a folder": (["detect", "model.cfg", "a.jpg", "--output", "r"], {"results"}),
    "nothing alike": (["convert", "--xyzzy"], set()),
}
ASKING = """
source script.bash
COMP_WORDS=(trtzoo "$@"); COMP_CWORD=$#; word=${COMP_WORDS[$COMP_CWORD]}
function=$(complete -p trtzoo | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
$function trtzoo "$word" "${COMP_WORDS[$COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script_of(shell: str, capsys) -> str:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes(tmp_path, capsys):
    (tmp_path / "script.bash").write_text(script_of("bash", capsys))
    for name in ("model.cfg", "other.weights", "a.jpg", "b.jpg", "report.html"):
        (tmp_path / name).touch()
    (tmp_path / "results").mkdir()
    found = {}
    for name, (words, _) in TYPED.items():
        command = ["bash", "--norc", "-c", ASKING, "bash", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.stderr == "", name
        found[name] = set(done.stdout.split())
    assert found == {name: wanted for name, (_, wanted) in TYPED.items()}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_every_command_and_its_parser_accepts_the_script(shell, tmp_path, capsys):
    script = script_of(shell, capsys)
    commands = [name for action in build_parser()._actions if action.choices for name in action.choices]
    assert len(commands) > 15
    assert [name for name in commands if name not in script] == []
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True)


def test_another_shell_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["completion", "bahs"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == "" and "no such choice: 'bahs'; did you mean 'bash'?" in said.err
