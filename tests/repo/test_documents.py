"""Protects the documents: what they tell to type works, what they link to is there, what they name exists.

Python blocks run, one namespace a page, in a folder of the page's own. Of shell blocks, commands on tiny data run, and
others are given to the real parser. A block that can be neither has a comment before it: <!-- not run: the reason -->.
"""

import gc
import re
import shlex
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from pydoc import locate
from textwrap import dedent
from typing import Any, NamedTuple

import pytest
import yaml

import datamodules
import zoo
from cli import main
from zoo.commands.plain_parser import action_of
from zoo.commands.studies.recipe import check_names
from zoo.commands.studies.study import folder_of
from zoo.commands.suggest.facts import given_flags
from zoo.commands.verbs import verbs
from zoo.commands.verbs.predict import about_pictures, pictures_parser
from zoo.commands.verbs.suggest import own_parser
from zoo.commands.weights.named_weights import card_and_words
from zoo.errors import UsageError
from zoo.studies.recipes import recipe_names as recipes

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(
    r"(?P<before>[^\n]*)\n(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)\n(?P=indent)```(?=\n|$)", re.S
)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")
PLACEHOLDERS = {"DIR": "data", "RECIPE": "configs/recipes/quickstart.yaml", "FILE": "own.npz"}
# files that a reader may write
EXAMPLES = {
    "predict.py",
    "zoo/maxout.py",
    "configs/model/maxout.yaml",
    "configs/data/stripes.yaml",
    "configs/studies/NAME",
}
FOLDERS = ("zoo", "datamodules", "configs", "scripts", "tests", "docs", "results", "findings")
EPOCHS = ("1", "2")  # a command that trains for no longer runs


class Block(NamedTuple):
    """A block of code: where it begins, its language, its text."""

    line: int
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that run."""
    text, found = "\n" + page.read_text(), []
    for match in BLOCK.finditer(text):
        if not NOT_RUN.fullmatch(match["before"].strip()):
            line = text[: match.start("text")].count("\n")
            found.append(Block(line, match["language"], dedent(match["text"])))
    return found


def lines(text: str) -> list[list[str]]:
    """The commands of a shell block, each as its arguments."""
    joined = text.replace("\\\n", " ").splitlines()
    return [args for line in joined if (args := shlex.split(line, comments=True))]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with diagnostics, which RUN stands for."""
    folder = tmp_path_factory.mktemp("run") / "run"
    args = ["fit", "--data", "Digits", "--model", "MLP", "--model.hidden", "[16]", "--trainer.max_epochs", "1"]
    args += ["-c", f"{ROOT}/configs/callbacks/diagnostics.yaml", "--figures", "false", "--run_dir", str(folder)]
    main(args)
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Path) -> Path:
    """A folder in which the repository's files are found under their names."""
    for name in ("configs", "scripts", "results"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/pictures").symlink_to(ROOT / "tests/pictures")
    (tmp_path / "RUN").symlink_to(run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZOO_DATA", raising=False)
    for data in (datamodules.MNIST, datamodules.FashionMNIST, datamodules.CIFAR10):  # nothing is downloaded
        monkeypatch.setattr(data, "prepare_data", lambda self: None)
        monkeypatch.setattr(data, "setup", lambda self, stage=None: None)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(page: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
        elif block.language == "yaml":
            assert list(yaml.safe_load_all(block.text))
        elif block.language == "console":
            check_session(block.text, capsys)
        elif block.language in ("sh", ""):
            for args in lines(block.text):
                check(args)
        else:
            assert block.language == "text", f"{page.name}:{block.line}: a language that is not run"
    assert not Path("checkpoints").exists(), "a block leaves what its page does not speak of"
    names.clear()
    gc.collect()  # classes of a page are no models of the next test


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_within_sentences_are_understood(page: Path, place: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for code in re.findall(r"`((?:python cli\.py|zoo) [^`…]+)`", text):
        args = shlex.split(" ".join(code.split()))
        if args[2 if args[0] == "python" else 1] in verbs():
            check(args, run=False)


def check_session(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Commands after a `$`, and what comes out: errors are compared, other output is some other test's."""
    for part in re.split(r"(?:^|\n)\$ ", text)[1:]:
        line, *output = part.replace("\\\n", " ").splitlines()
        if output and output[0].startswith("error: "):
            capsys.readouterr()
            with pytest.raises(SystemExit):
                main(shlex.split(line)[2:])
            assert capsys.readouterr().err.splitlines() == output
        else:
            check(shlex.split(line), run=False)


def check(args: Sequence[str], run: bool = True) -> None:
    """Fails if a command of a document cannot work."""
    args = [PLACEHOLDERS.get(word, word) for word in args]
    match args:
        case ["python", "cli.py", *rest] | ["zoo", *rest]:
            command(rest, run)
        case ["torchrun", *rest]:
            command(rest[rest.index("cli.py") + 1 :], run=False)
        case ["python", "scripts/study.py" | "scripts/report.py" | "scripts/recipes.py" as script, *rest]:
            verb = {"study": ["study", "run"], "report": ["study", "report"], "recipes": ["recipe", "run"]}
            command([*verb[Path(script).stem], *rest], run=False)
        case ["python", script, *rest] if script.startswith("scripts/"):
            check_script(Path(script), rest)
        case ["make", *targets]:
            known = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
            assert set(targets) <= set(known)
        case ["pip", "install", "-e", extra]:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            assert extra.strip(".[]") in project["optional-dependencies"]
        case ["source", ".venv/bin/activate"]:
            pass
        case _:
            pytest.fail(f"a command that is not tested: {shlex.join(args)}. Try: <!-- not run: the reason -->")


def command(args: Sequence[str], run: bool) -> None:
    """Runs a command of the zoo if that takes a moment, or else has it parsed."""
    verb, rest = args[0], list(args[1:])
    if verb in ("study", "recipe"):
        check_action(verb, rest)
        return
    if verb == "predict" and not run and about_pictures(rest):
        pictures_parser().parse(rest)
        return
    if verb in ("validate", "test", "predict") and not run and card_and_words(rest)[0]:
        return
    if verb == "data" and not run:
        if rest:
            verbs()[verb].ACTIONS[rest[0]]().parse(rest[1:] or ["PATH", "OUT.npz"][: 1 + (rest[0] == "convert")])  # type: ignore[attr-defined]
        return
    if verb == "weights" and rest[:1] == ["push"]:  # which leaves this machine
        if rest[1:]:
            check_action(verb, rest)
        return
    if verb in ("export", "report") and not run:
        if rest:
            verbs()[verb].parser(datamodules.ImageDataModule).parse(rest)  # type: ignore[attr-defined]
        return
    if verb == "suggest" and not run:
        if rest:
            given_flags(own_parser().parse_known_args(rest)[1])
        return
    asks = any(word.startswith("--") and ("help" in word or word == "--print_config") for word in args)
    if verb in ("validate", "test", "predict"):
        asks = asks or run
    elif verb == "fit":
        asks = asks or (run and takes_a_moment(rest))
    elif verb == "describe" and not run:
        return  # it has nothing that parses and shows nothing
    else:
        asks = True
    try:
        main([verb, *rest] if asks else [verb, *rest, "--print_config"])
    except SystemExit as leave:
        assert not leave.code, shlex.join(args)


def check_action(verb: str, args: Sequence[str]) -> None:
    """A verb that does several things has the action and the flags; what is named is there."""
    actions = verbs()[verb].ACTIONS  # type: ignore[attr-defined]
    try:
        options = actions[action_of(args, verb, actions)]().parse(args[1:])
        if getattr(options, "study", "NAME") != "NAME":
            folder_of(options.study)
        if verb == "recipe" and args[0] == "run":
            check_names([name for name in options.names if name != "NAME"], recipes())
    except UsageError as error:
        pytest.fail(f"{shlex.join([verb, *args])}: {error}")


def takes_a_moment(args: Sequence[str]) -> bool:
    """Whether a training is short, on data that is there."""
    values = dict(pairwise(args))
    if values.get("--resume") == "auto" and Path(values["--run_dir"]).is_dir():
        return True
    there = "Digits" in args or Path(values.get("--data.path", "nowhere.npz")).exists()
    return there and values.get("--trainer.max_epochs") in EPOCHS


def check_script(script: Path, args: Sequence[str]) -> None:
    """A script of the repository has the flags that it is given."""
    package = {"benchmark": "benchmarks", "chaos": "faults", "reliability": "faults"}.get(script.stem, "nowhere")
    text = "".join(path.read_text() for path in (script, *script.with_name(package).rglob("*.py")))
    for word in args:
        if word.startswith("--"):
            assert f'"{word}"' in text, f"{script}: {word}"
        elif word.startswith("configs/"):
            assert word.endswith("/NAME") or (ROOT / word).exists(), word


# what is linked and named


def slug(heading: str) -> str:
    """What a heading is called in a link."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, place = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name}: {target}"
        if place:
            assert place in {slug(line.lstrip("# ")) for line in there.read_text().splitlines() if line[:1] == "#"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_and_names_that_are_spoken_of_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for code in re.findall(r"`([^`\n]+)`", text):
        for word in code.split():
            if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w./*-]*|[\w-]+\.py", word) and word not in EXAMPLES:
                folder, word = (ROOT / "tests", f"**/{word}") if word.startswith("test_") else (ROOT, word.rstrip("/"))
                assert list(folder.glob(word)), f"{page.name}: {word}"
        if re.fullmatch(r"(zoo|datamodules)(\.\w+)+", code) and not code.endswith(".NAME"):
            assert locate(code), f"{page.name}: {code}"


def test_sizes():
    assert (ROOT / "README.md").stat().st_size <= 8 * 1024
    for page in PAGES:
        assert len(page.read_text().splitlines()) <= 300, page


def test_the_index_has_every_page():
    listed = set(re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs/index.md").read_text()))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} <= listed


def test_the_version_is_the_same_everywhere(capsys):
    """Of a checkout, too: what is installed may be of another day."""
    main(["--version"])
    version = capsys.readouterr().out.strip()
    assert version == zoo.__version__
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[0] == version


# the instruments themselves


def test_blocks_are_found_and_left_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    left_out = "<!-- not run: why -->\n```sh\nrm\n```\n\n"
    page.write_text(f"a\n\n```python\nx = 1\n```\n\n{left_out}1. b\n\n   ```sh\n   c d\n   ```\n")
    assert blocks(page) == [Block(4, "python", "x = 1"), Block(15, "sh", "c d")]


@pytest.mark.parametrize(
    "line",
    [
        "python cli.py fit --data Digits --model MLP --model.hiden 3",
        "python cli.py test --run_dir nowhere",
        "python scripts/recipes.py --no-such-flag",
        "python scripts/study.py configs/studies/nowhere",
        "make nonsense",
        "frobnicate",
    ],
)
def test_a_command_that_cannot_work_is_found(line: str, place: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception, SystemExit)):
        check(shlex.split(line))
