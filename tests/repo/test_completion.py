"""Protects completion: its words are those of the parsers, and a shell completes with them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli import main
from zoo.commands.verbs import verbs
from zoo.commands.verbs.completion import SCRIPT, SHELLS, script

ROOT = Path(__file__).parents[2]


def completed(*words: str) -> set[str]:
    """What bash offers for the last of these words."""
    if not shutil.which("bash"):
        pytest.skip("there is no bash here")
    line = " ".join(f"'{word}'" for word in words)
    code = script("bash") + f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _zoo; echo "${{COMPREPLY[*]}}"'
    found = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert not found.stderr
    return set(found.stdout.split())


def test_the_words_are_those_of_the_parsers(monkeypatch: pytest.MonkeyPatch):
    """Who changes an option must run scripts/completion.py."""
    if not os.environ.get("ZOO_LOCKED"):
        pytest.skip("the optimisers and trainer flags are those of the locked versions")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import completion

    assert SCRIPT.read_text() == completion.script()


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_get_a_script_without_torch(shell: str):
    code = f"import sys, cli; cli.main(['completion', '{shell}']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == script(shell)
    assert "@" not in done.stdout.replace("${COMP_WORDS[@]", "")


@pytest.mark.parametrize(("words", "found"), [(["fish"], "fish"), ([], "none"), (["bash", "zsh"], "bash zsh")])
def test_other_shells_are_refused_in_one_line(words: list[str], found: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(["completion", *words])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    problem = f"error: shell in completion: expected one of bash, zsh, found {found}."
    assert said == f"{problem} Try: python cli.py completion bash\n"


def test_bash_completes_verbs_flags_and_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert completed("zoo", "") == {*verbs(), "--help", "--version"}
    assert completed("zoo", "des") == {"describe"}
    assert completed("zoo", "fit", "--model", "M") == {"MLP"}
    assert completed("zoo", "fit", "--data", "") >= {"MNIST", "CIFAR10", "Arrays"}
    assert completed("zoo", "fit", "--model.activation", "s") == {"sigmoid", "selu", "silu"}
    assert completed("zoo", "fit", "--resume", "a") == {"auto"}
    assert "bf16-mixed" in completed("zoo", "fit", "--trainer.precision", "bf16")
    assert completed("zoo", "fit", "--trainer.max_e") == {"--trainer.max_epochs"}
    assert completed("zoo", "fit", "--model.hid") == set()  # no model is on the line yet
    assert completed("zoo", "fit", "--model", "MLP", "--model.hid") == {"--model.hidden"}
    assert completed("zoo", "test", "--trainer.max_e") == {"--trainer.max_epochs"}
    assert completed("zoo", "study", "") == {"run", "report", "list"}
    assert completed("zoo", "study", "run", "act") == {"activations"}
    assert completed("zoo", "study", "run", "--jo") == {"--jobs"}
    assert completed("zoo", "study", "run", "--executor", "") == {"local", "slurm"}
    assert completed("zoo", "study", "report", "--jo") == set()
    assert completed("zoo", "recipe", "run", "mnist_l") == {"mnist_lenet"}
    line = ("zoo", "fit", "--model", "LeNet", "--model.optimizer", "torch.optim.SGD", "--model.optimizer.mom")
    assert completed(*line) == {"--model.optimizer.momentum"}
    monkeypatch.chdir(tmp_path)
    for words in (["predict"], ["test"], ["describe"], ["weights", "show"]):
        assert completed("zoo", *words, "mnist_l") == {"mnist_lenet"}
    assert completed("zoo", "predict", "mnist_lenet", "mnist_l") == set()
    assert completed("zoo", "predict", "mnist_lenet", "a.png", "--prepare", "d") == {"digits"}
    (tmp_path / "own.npz").touch()
    assert completed("zoo", "predict", "mnist_lenet", "ow") == {"own.npz"}
    assert completed("zoo", "fit", "--data.path", "ow") == {"own.npz"}
    (tmp_path / "mnist_own.yaml").touch()
    assert completed("zoo", "fit", "-c", "mnist_l") == {"mnist_lenet"}
    assert completed("zoo", "describe", "--config", "mnist_o") == {"mnist_own.yaml"}
