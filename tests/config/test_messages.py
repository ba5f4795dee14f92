"""Protects the one line that the user gets for each mistake on the command line or in a configuration file.

LightningCLI is built as `cli.py` builds it, with the real models and data sets, and given what is wrong.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import capture_parser
from lightning import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from torch import nn

import datamodules
import zoo
from zoo.commands.class_help import plain_text, show_class_help
from zoo.commands.cli.flags import prepared, with_nulls
from zoo.config.allowlist import IN_WORDS, restrict
from zoo.config.parser import Parser, explain, innermost
from zoo.config.type_names import best_match, choices, format_type, nearest
from zoo.config.yaml_limits import limit_yaml
from zoo.errors import UsageError

CHOSEN = ["fit", "--data", "Digits", "--model", "MLP"]
NOISE = ("NestedArg", "<class", "typing.", "Union", "Subtypes", "Parser key", "Namespace(", "'''", "\n")


class SmallCLI(LightningCLI):
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        for name in ("in_shape", "num_classes"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.init_args.seed")


def build() -> None:
    SmallCLI(
        zoo.Classifier,
        datamodules.ImageDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=None,
        auto_configure_optimizers=False,
        seed_everything_default=0,
        parser_kwargs={"allow_abbrev": False},
        parser_class=Parser,
        args=[],
    )


@pytest.fixture(scope="module")
def parser() -> Iterator[Any]:
    restrict()
    limit_yaml()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cli.py"])
        yield capture_parser(build)


def line_for(parser: Any, args: Sequence[str]) -> str:
    with pytest.raises(UsageError) as caught:
        parser.parse_args(args)
    line = str(caught.value)
    assert innermost(caught.value) == line
    assert not [noise for noise in NOISE if noise in line], line
    return line


def check(line: str, where: str, advice: str | None) -> None:
    """Checks the form `<what> in <where>: expected <x>, found <y>. Try: <advice>`."""
    what, _, rest = line.partition(f" in {where}: expected ")
    expected, _, rest = rest.partition(", found ")
    found, _, said = rest.partition(". Try: ")
    assert what and expected and found, line
    assert said == (advice or ""), line


OPTIONS: list[tuple[str, str, str | None]] = [  # what is written, the flag that the line names, what it says to try
    ("--model.hiden [3]", "--model.hiden", "--model.hidden '[3]'"),
    ("--model.hiden=[3]", "--model.hiden", "--model.hidden '[3]'"),
    ("--model.optimizr.lr 3", "--model.optimizr.lr", "--model.optimizer.lr 3"),
    ("--model.optimizer torch.optim.SGD --model.optimizer.lrr 3", "--model.optimizer.lrr", "--model.optimizer.lr 3"),
    ("--model.optimizer.lrr 3", "--model.optimizer.lrr", "--model.optimizer.lr 3"),
    ("--model.schedule Cosine --model.schedule.warmupp 3", "--model.schedule.warmupp", "--model.schedule.warmup 3"),
    ("--model.schedule.floo 3 --model.schedule Cosine", "--model.schedule.floo", None),
    ("--model.schedule.warmup 0.1", "--model.schedule.warmup", "--model.schedule Cosine"),
    (
        "--model.activation torch.nn.LeakyReLU --model.activation.negative_slop 1",
        "--model.activation.negative_slop",
        "--model.activation.negative_slope 1",
    ),
    (
        "--trainer.callbacks EarlyStopping --trainer.callbacks.monitr x",
        "--trainer.callbacks.monitr",
        "--trainer.callbacks.monitor x",
    ),
    ("--model SoftmaxRegression --model.hidden [3]", "--model.hidden", "--model LeNet | MLP"),
    ("--trainer.max_epoch 3", "--trainer.max_epoch", "--trainer.max_epochs 3"),
    ("--trainer.max_epoch=3", "--trainer.max_epoch", "--trainer.max_epochs 3"),
    ("--trainr.max_epochs 3", "--trainr.max_epochs", "--trainer.max_epochs 3"),
    ("--max_epochs 3", "--max_epochs", "--trainer.max_epochs 3"),
    ("--epochs 3", "--epochs", "--trainer.max_epochs 3"),
    ("--batch_size 3", "--batch_size", "--data.batch_size 3"),
    ("--seed 3", "--seed", "--seed_everything 3"),
    ("--arch mlp", "--arch", "--model MLP"),
    ("--data_root $HOME", "--data_root", "--data.root '$HOME'"),
    ("--epochs", "--epochs", "--trainer.max_epochs"),
    ("--foo 3", "--foo", "python cli.py fit --help"),
    ("stray", "python cli.py fit", "python cli.py fit --help"),
]

VALUES: list[tuple[str, str, str | None]] = [
    ("--model MLPP", "--model", "--model MLP"),
    ("--model mlp", "--model", "--model MLP"),
    ("--model zoo.MLPP", "--model", "--model MLP"),
    ("--model torch.nn.Linear", "--model", None),
    ("--model Classifier", "--model", None),
    ("--model 3", "--model", None),
    ("--data MNISTT", "--data", "--data MNIST"),
    ("--model.hidden abc", "--model.hidden", "--model.hidden '[256]'"),
    ("--model.hidden [a]", "--model.hidden", "--model.hidden '[256]'"),
    ("--model.hidden 0", "--model.hidden", "--model.hidden '[256]'"),
    ("--model.hidden -1", "--model.hidden", "--model.hidden '[256]'"),
    ("--model ConvNet --model.channels 0", "--model.channels", "--model.channels '[32, 64, 128]'"),
    ("--model.optimizer.betas 2", "--model.optimizer.betas", "--model.optimizer.betas '[0.9, 0.999]'"),
    ("--lr 0.1", "--lr", "--model.optimizer.lr 0.1"),
    ("--epochs 3", "--epochs", "--trainer.max_epochs 3"),
    ("--batch_size 3", "--batch_size", "--data.batch_size 3"),
    ("--devices 3", "--devices", "--trainer.devices 3"),
    ("--seed 3", "--seed", "--seed_everything 3"),
    ("--data_root d", "--data_root", "--data.root d"),
    ("--hidden [3]", "--hidden", "--model.hidden '[3]'"),
    ("--data.path own.npz", "--data.path", "--data Arrays | Folder"),
    ("--model.hidden 256", "--model.hidden", "--model.hidden '[256]'"),
    ("--model.dropout two", "--model.dropout", None),
    ("--model.activation rellu", "--model.activation", "--model.activation relu"),
    ("--model.activation torch.nn.Rellu", "--model.activation", "--model.activation relu"),
    ("--model.activation json.loads", "--model.activation", None),
    ("--model.init xyz", "--model.init", "--model.init he_normal"),
    ("--model.init orthogonall", "--model.init", "--model.init orthogonal"),
    ("--model LeNet --model.pool maxx", "--model.pool", "--model.pool max"),
    ("--model.optimizer SGDD", "--model.optimizer", "--model.optimizer SGD"),
    ("--model.optimizer.lr fast", "--model.optimizer.lr", None),
    ("--model.schedule Cosinus", "--model.schedule", "--model.schedule Cosine"),
    ("--data.batch_size 1.5", "--data.batch_size", None),
    ("--data.normalize standart", "--data.normalize", "--data.normalize standard"),
    ("--data.augment [crap,flip]", "--data.augment", "--data.augment '[crop, flip]'"),
    ("--data.augment crop", "--data.augment", "--data.augment '[crop]'"),
    ("--trainer.max_epochs many", "--trainer.max_epochs", None),
    ("--trainer.max_epochs=many", "--trainer.max_epochs", None),
    ("--trainer.precision 17", "--trainer.precision", None),
    ("--trainer.precision bf17", "--trainer.precision", "--trainer.precision bf16"),
    ("--trainer.callbacks EarlyStoping", "--trainer.callbacks", "--trainer.callbacks EarlyStopping"),
    ("--trainer.logger WandbLoger", "--trainer.logger", "--trainer.logger WandbLogger"),
    ("--seed_everything x", "--seed_everything", None),
]

ABSENT: list[tuple[str, str, str | None]] = [
    ("--data Arrays", "--data.path", "--data.path FILE.npz"),
    ("--trainer.callbacks EarlyStopping", "--trainer.callbacks.monitor", "--trainer.callbacks.monitor val/loss"),
    ("--data.batch_size", "--data.batch_size", "--data.batch_size 128"),
    ("-c", "--config", "--config FILE.yaml"),
]


@pytest.mark.parametrize(("written", "where", "advice"), OPTIONS + VALUES + ABSENT)
def test_a_mistake_is_said_in_one_line(parser: Any, written: str, where: str, advice: str | None) -> None:
    check(line_for(parser, [*CHOSEN, *written.split()]), where, advice)


@pytest.mark.parametrize(
    ("args", "where", "advice"),
    [
        ([], "python cli.py", "python cli.py fit --help"),
        (["fitt", "--data", "Digits"], "python cli.py", "python cli.py fit"),
        (["tset"], "python cli.py", "python cli.py test"),
        (["--data", "Digits", "--model", "MLP"], "python cli.py", "python cli.py fit --help"),
        (["--foo", *CHOSEN], "--foo", "python cli.py --help"),
    ],
)
def test_a_wrong_verb_names_the_verbs(parser: Any, args: Sequence[str], where: str, advice: str) -> None:
    check(line_for(parser, args), where, advice)


@pytest.mark.parametrize(
    ("args", "expected", "names"),
    [
        (["fit"], "--data and --model, found neither", ["MNIST", "Digits", "MLP", "LeNet"]),
        (["fit", "--data", "Digits"], "--model, found none", ["MLP", "LeNet"]),
        (["test", "--model", "MLP"], "--data, found none", ["MNIST", "Digits"]),
        (["fit", "--data", "Digits", "--model"], "one of ConvNet", ["MLP", "LeNet"]),
        (["fit", "--data", "Digits", "--model.hidden", "[3]"], "a class that has it", ["MLP"]),
    ],
)
def test_a_class_that_is_not_named_is_offered(parser: Any, args: list[str], expected: str, names: list[str]) -> None:
    said, _, advice = line_for(parser, args).partition(". Try: ")
    assert f": expected {expected}" in said
    offered = [word for word in advice.replace(",", "").split() if word[0].isupper()]
    assert set(names) <= set(offered)
    assert not {"Classifier", "ImageDataModule", "IDXImages"} & set(offered)  # bases


def test_the_lines_in_full(parser: Any) -> None:
    """Some of them to the letter, as examples of the whole."""
    for written, line in {
        "--model.hiden [3]": "option hiden in --model.hiden: expected an option of MLP, found none of that name."
        " Try: --model.hidden '[3]'",
        "--trainer.max_epochs many": "value in --trainer.max_epochs: expected int or null, found 'many'",
        "--data.normalize standart": "value in --data.normalize: expected one of 'none', 'unit', 'symmetric',"
        " 'standard', 'weights', found 'standart'. Try: --data.normalize standard",
        "--model.hidden abc": "value in --model.hidden: expected list of ints, found 'abc'."
        " Try: --model.hidden '[256]'",
        "--trainer.enable_checkpointing maybe": "value in --trainer.enable_checkpointing: expected true, false or null,"
        " found 'maybe'",
        "--model.optimizer.lr fast": "value in --model.optimizer.lr: expected float, found 'fast'",
        "--model.activation json.loads": f"class in --model.activation: expected {IN_WORDS}, found 'json.loads'",
        "--model.optimizer torch.optimm.SGD": f"class in --model.optimizer: expected {IN_WORDS},"
        " found 'torch.optimm.SGD'. Try: --model.optimizer SGD",
        "--model numpy.load": f"class in --model: expected {IN_WORDS}, found 'numpy.load'."
        " Try: --allow_import numpy if you trust it",
        "--trainer.plugins AsyncCheckpointIO": "class in --trainer.plugins: expected one that leaves checkpoints to the"
        " zoo, which writes them whole and reads them without running code, found AsyncCheckpointIO,"
        " which writes or reads them. Try: without it",
        "--model.help os.system": f"class in --model: expected {IN_WORDS}, found 'os.system'",
    }.items():
        assert line_for(parser, [*CHOSEN, *written.split()]) == line


@pytest.mark.parametrize(
    ("content", "where", "advice"),
    [
        ("model: {class_path: MLP, init_args: {hiden: [3]}}", "--model.hiden of FILE", "--model.hidden"),
        ("trainr:\n  max_epochs: 3\n", "--trainr.max_epochs of FILE", "--trainer.max_epochs"),
        ("trainer:\n  max_epoch: 3\n", "--trainer.max_epoch of FILE", "--trainer.max_epochs"),
        ("trainer:\n  max_epochs: many\n", "--trainer.max_epochs of FILE", None),
        ("model: MLPP", "--model of FILE", "--model MLP"),
        ("model: {class_path: MLPP, init_args: {hidden: [3]}}", "--model of FILE", "--model MLP"),
        (
            "model: {class_path: MLP, init_args: {schedule: {class_path: Cosine, init_args: {flor: 3}}}}",
            "--model.schedule.flor of FILE",
            "--model.schedule.floor",
        ),
        ("model: [1\n  a: :\n", "FILE, line 2, column 4", None),
        ("", "FILE", None),
        ("- a\n- b\n", "FILE", None),
        ("1: 2\n", "FILE", None),
        ("'': 2\n", "FILE", None),
        ("trainer: {}\ntrainer: {}\n", "FILE, line 2, column 1", None),
        ("trainer: !!python/name:os.system\n", "FILE, line 1, column 10", None),
        ("seed_everything: \x07\n", "FILE", None),
        ("config: [a.yaml]\n", "--config of FILE", None),
        ("trainer: no.yaml\n", "--trainer of FILE", None),
        ("model: {class_path: [MLP], init_args: {hidden: [3]}}", "--model of FILE", None),
    ],
)
def test_a_mistake_in_a_file_names_the_file(
    parser: Any, tmp_path: Path, content: str, where: str, advice: str | None
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(content)
    args = ["--data", "Digits", *([] if "model" in content else ["--model", "MLP"])]
    check(line_for(parser, ["fit", "-c", str(file), *args]), where.replace("FILE", str(file)), advice)


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("configs/model/mpl.yaml", "--config configs/model/mlp.yaml"),
        ("model/mlp.yaml", "--config configs/model/mlp.yaml"),
        ("mlp.yml", "--config configs/model/mlp.yaml"),
        ("something_else.yaml", None),
        ("nlp.yaml", "--config configs/model/mlp.yaml"),
        ("wxyz.yaml", None),
        (".", None),
    ],
)
def test_a_file_that_is_not_there(
    parser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, advice: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mlp.yaml").touch()
    line = line_for(parser, ["fit", "-c", written])
    check(line, "--config", advice)
    assert f"at {written}" in line


@pytest.mark.parametrize(
    ("written", "where", "found"),
    [
        ("--data.batch_size 0", "--data.batch_size", "0"),
        ("--model ConvNet --model.kernel_size 4", "--model.kernel_size", "4"),
        ("--model.label_smoothing 2", "--model.label_smoothing", "2"),
        ("--model.schedule Cosine --model.schedule.warmup 3", "--model.schedule.warmup", "3"),
        ("--data Arrays --data.path nope.npz", "--data.path", "nothing at nope.npz"),
    ],
)
def test_what_a_constructor_says_comes_out_as_it_was(parser: Any, written: str, where: str, found: str) -> None:
    config = parser.parse_args([*CHOSEN, *written.split()])
    with pytest.raises((ValueError, OSError)) as caught:
        parser.instantiate(config)
    line = innermost(caught.value)
    assert f" in {where}: expected " in line
    assert f", found {found}" in line
    assert not [noise for noise in NOISE if noise in line]


WRAPPED = (
    "Does not validate against any of the Union subtypes\nSubtypes: [<class 'A'>, <class 'NoneType'>]\nErrors:\n"
    "  - Expected a <class 'int'>\n  - {inner}\n  - Expected a <class 'NoneType'>\n"
    "Given value type: <class 'str'>\nGiven value: x"
)


def raised(error: Exception, cause: BaseException | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a in b: expected c, found d"), "a in b: expected c, found d"),
        (raised(ValueError("a in b: expected c"), OSError("disk")), "a in b: expected c"),  # the reason stays behind
        (raised(ValueError(WRAPPED.format(inner="…")), ValueError("own words")), "own words"),
        (raised(ValueError(WRAPPED.format(inner="own words")), ValueError("Expected a <class 'int'>")), "own words"),
        (ValueError(WRAPPED.format(inner="own words")), "own words"),
        (ValueError(WRAPPED.format(inner=WRAPPED.format(inner="own words"))), "own words"),
        (RuntimeError("two\n  lines"), "two lines"),
        (AssertionError(), "AssertionError"),
        (ValueError("Subtypes:"), "Subtypes:"),
    ],
)
def test_innermost_is_what_was_first_said(error: Exception, line: str) -> None:
    assert innermost(error) == line


# the help of a class


def helped(args: Sequence[str], parser: Any, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        show_class_help(args, parser)
    assert not stop.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in zoo.__all__ if name != "Classifier"])
def test_the_help_of_a_model_has_its_options_and_no_others(parser: Any, name: str, capsys: Any) -> None:
    """In a line or two each; a class of another package has no business there."""
    page = helped(["fit", "--model.help", name], parser, capsys)
    own = {f"--model.{each}" for each in inspect.signature(getattr(zoo, name)).parameters if each != "training"}
    own |= {f"--model.{each}" for each in inspect.signature(zoo.Classifier).parameters}
    assert set(re.findall(r"^  (--\S+)", page, re.MULTILINE)) == own - {
        f"--model.{linked}" for linked in ("in_shape", "num_classes", "net")
    }
    assert len(page.splitlines()) < 70
    assert not {"torchvision", "known subclasses"} & set(page.split())
    assert "torch.optim.Adam with lr 0.001 by default" in " ".join(page.split())


@pytest.mark.parametrize("name", ["EarlyStopping", "ModelCheckpoint", "ModelPruning", "Timer"])
def test_a_docstring_of_a_library_is_shown_as_text(parser: Any, name: str, capsys: Any) -> None:
    """Without the marks of its page, and with values as they are typed."""
    page = helped(["fit", "--trainer.callbacks.help", name], parser, capsys)
    assert not re.findall(r"::|``|:\w+:`|\bNone\b|\bTrue\b|\bFalse\b", page)
    assert plain_text(".. note:: Keep ``k`` of :class:`~a.b.Part`,\n None for all") == (
        "Note: Keep `k` of Part, null for all"
    )


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ("--model.help", "  MLP "),
        ("--model MLP --model.help", "--model.hidden "),
        ("--data.help=Arrays", "--data.path "),
        ("--model.optimizer.help SGD", "--model.optimizer.momentum"),
        ("--model.optimizer.help torch.optim.AdamW", "--model.optimizer.betas "),
        ("--model.optimizer.help zoo.optimizers.Muon", "--model.optimizer.sgd_lr "),
        ("--model.schedule.help", "  Cosine "),
        ("--model.schedule.help Cosine", "--model.schedule.warmup "),
        ("--model.activation.help LeakyReLU", "--model.activation.negative_slope"),
        ("--model.activation.help relu", "relu has no options"),
        ("--data.augment.help Crop", "--data.augment.padding "),
        ("--trainer.callbacks.help EarlyStopping", "--trainer.callbacks.patience\n"),
    ],
)
def test_each_choice_of_a_class_has_a_help(parser: Any, args: str, shown: str, capsys: Any) -> None:
    assert shown in helped(["fit", *args.split()], parser, capsys)


@pytest.mark.parametrize(
    ("args", "where", "advice"),
    [
        ("--model.help MLPP", "--model.help", "--model.help MLP"),
        ("--model.help os.system", "--model.help", "--model.help"),
        ("--model.activation.help X", "--model.activation.help", "--model.activation.help"),
        ("--model.optimizr.help SGD", "--model.optimizr.help", "--model.optimizer.help"),
        ("--figures.help", "--figures.help", "--help_all"),
    ],
)
def test_a_help_that_there_is_not(parser: Any, args: str, where: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        show_class_help(["fit", *args.split()], parser)
    check(str(caught.value), where, advice)


EMPTY = Parser()
STARTS = [
    "",
    "unrecognized arguments: ",
    "Option '",
    "Unexpected config: ",
    'Parser key "a": ',
    "argument --a: expected",
]


@given(st.sampled_from(STARTS), st.text())
def test_there_is_always_one_line(start: str, text: str) -> None:
    line = explain(start + text, EMPTY)
    assert len(line.splitlines()) == 1
    assert line.strip() == line != ""


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (int, "int"),
        (bool, "true or false"),
        (int | None, "int or null"),
        (bool | int | None, "true, false, int or null"),
        (Sequence[int], "list of ints"),
        (list[float] | None, "list of floats or null"),
        (tuple[int, int, int], "list of 3 ints"),
        (tuple[int, ...], "list of ints"),
        (float | torch.Tensor, "float"),
        (dict[str, int], "mapping"),
        (Literal["max", "avg"], "one of 'max', 'avg'"),
        (Literal[16] | Literal["16", "bf16"] | None, "one of 16, 'bf16' or null"),
        (Literal["relu"] | Callable[[], nn.Module], "one of 'relu' or a class path"),
        (list[Literal["crop", "flip"]], "list of 'crop', 'flip'"),
        (list[Callback] | Callback | None, "list of Callbacks, a subclass of Callback or null"),
    ],
)
def test_a_type_is_said_in_words(hint: Any, said: str) -> None:
    assert format_type(hint) == said


class Limited:
    """Its numbers are asked for in the order that typing gives Lightning's after `import sklearn.svm`."""

    def __init__(self, limit: float | int | None = None, share: float | int | str = 1.0) -> None:
        self.limit, self.share = limit, share


def test_a_whole_number_is_a_count_whatever_was_imported_before() -> None:
    parser = Parser()
    parser.add_class_arguments(Limited, "x")
    read = parser.parse_args(["--x.limit", "1", "--x.share=0.5"]).x
    assert (type(read.limit), read.limit, type(read.share)) == (int, 1, float)
    read = parser.parse_string("x: {limit: 3, share: many}").x
    assert (type(read.limit), read.limit, read.share) == (int, 3, "many")
    assert type(parser.parse_args(["--x.limit", "1.0"]).x.limit) is float


def test_only_classes_that_can_be_made_are_offered() -> None:
    assert {"CIFAR10", "Digits", "FashionMNIST", "MNIST"} <= set(choices(datamodules.ImageDataModule))
    assert "IDXImages" not in choices(datamodules.ImageDataModule)  # abstract, though without ABCMeta
    assert "Optimizer" not in choices(torch.optim.Optimizer)


def test_nearest_takes_the_first_of_equals_and_knows_beginnings() -> None:
    assert nearest("epochs", ["max_epochs", "min_epochs"]) == "max_epochs"
    assert nearest("seed", ["root", "seed_everything"]) == "seed_everything"
    assert nearest("mlp", ["MLP", "LeNet"]) == "MLP"
    assert nearest("foo", ["MLP", "LeNet"]) is None


@pytest.mark.parametrize(
    ("word", "becomes"),
    [
        ("--model.schedule=None", "--model.schedule=null"),
        ("--data.train_size=None", "--data.train_size=null"),
        ("--trainer.max_epochs=None", "--trainer.max_epochs=null"),
        ("--data.normalize=None", "--data.normalize=None"),  # which has a name `none`, and takes no null
        ("--model.norm=None", "--model.norm=None"),
        ("--foo=None", "--foo=None"),
    ],
)
def test_a_sweep_s_none_is_null_where_an_option_takes_it(parser: Any, word: str, becomes: str) -> None:
    """W&B writes `null` of a sweep's yaml as Python would."""
    assert with_nulls([*CHOSEN, word], parser) == [*CHOSEN, becomes]


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    contents = {"typo_1": "import torch\nx = undefined\n", "typo_2": "def f(:\n", "typo_3": "import not_there_xyz\n"}
    for name, content in contents.items():
        (tmp_path / f"{name}.py").write_text(content)
        line = rf"^module in --allow_import: .*{name}.* line \d of .*{name}.py\)"
        with pytest.raises(UsageError, match=line) as caught:
            prepared(["fit", "--allow_import", name])
        assert "\n" not in str(caught.value)
    restrict()


@pytest.mark.parametrize(
    ("name", "missing", "advice"),
    [
        ("not_there_at_all", "not_there_at_all", "PYTHONPATH=DIR before the command, the folder that {} is in"),
        ("not_there_at_all.sub", "not_there_at_all", "PYTHONPATH=DIR before the command, the folder that {} is in"),
        ("json.not_there", "json.not_there", "a module of json"),
        ("json.JSONDecoder", None, None),  # no module, but a class there is
    ],
)
def test_a_module_that_is_not_there_is_named(name: str, missing: str | None, advice: str | None) -> None:
    if missing and advice:
        with pytest.raises(UsageError) as caught:
            prepared(["fit", "--allow_import", name])
        check(str(caught.value), "--allow_import", advice.format(missing))
        assert f"found {name}: there is no module {missing}." in str(caught.value)
    else:
        prepared(["fit", "--allow_import", name])
    restrict()


def test_a_class_whose_module_is_not_there(parser: Any) -> None:
    line = line_for(parser, ["fit", "--data", "Digits", "--model", "not_there.Net"])
    check(line, "--model", "PYTHONPATH=DIR before the command, the folder that not_there is in")
    assert ", found 'not_there.Net', and there is no module not_there." in line
    line = line_for(parser, ["fit", "--data", "Digits", "--model", "zoo.not_there.Net"])
    check(line, "--model", None)
    assert line.endswith(", found 'zoo.not_there.Net', and there is no module zoo.not_there")
    check(line_for(parser, ["fit", "--data", "Digits", "--model", "not_there.MLP"]), "--model", "--model MLP")


STRUCTURE = [
    ("model: {class_path: MLP, init_arg: {hidden: [3]}}", "init_arg", "--model", "init_args"),
    ("model: {class_pth: MLP, init_args: {hidden: [3]}}", "class_pth", "--model", "class_path"),
    ("model: {class: MLP, init_args: {hidden: [3]}}", "class", "--model", "class_path"),
    ("model: {class_path: MLP, hidden: [3]}", "hidden", "--model", "init_args: {hidden: …}"),
    ("data: {classpath: Digits}", "classpath", "--data", "class_path"),
    (
        "model: {class_path: MLP, init_args: {optimizer: {class_path: SGD, init_arg: {lr: 1}}}}",
        "init_arg",
        "--model.optimizer",
        "init_args",
    ),
    (
        "trainer: {callbacks: [{class_path: EarlyStopping, init_argss: {monitor: val/loss}}]}",
        "init_argss",
        "--trainer.callbacks",
        "init_args",
    ),
]


@pytest.mark.parametrize(("content", "key", "where", "advice"), STRUCTURE)
def test_a_misspelt_key_of_a_class_is_named(
    parser: Any, tmp_path: Path, content: str, key: str, where: str, advice: str
) -> None:
    """In a file, and on the command line."""
    file = tmp_path / "own.yaml"
    file.write_text(content)
    chosen = [] if "model" in content else ["--model", "MLP"]
    line = line_for(parser, ["fit", "--data", "Digits", *chosen, "-c", str(file)])
    check(line, f"{where} of {file}", advice)
    assert line.startswith(f"key {key} in ")
    flag, _, value = content.partition(": ")
    if flag != "trainer":
        check(line_for(parser, ["fit", "--data", "Digits", *chosen, f"--{flag}", value]), where, advice)
        check(line_for(parser, ["fit", "--data", "Digits", *chosen, f"--{flag}={value}"]), where, advice)


@pytest.mark.parametrize(("word", "name"), [("std", "standard"), ("yes", None), ("st", "standard"), ("nrm", None)])
def test_a_short_form_is_understood_if_it_is_of_one_name(word: str, name: str | None) -> None:
    assert best_match(word, ["none", "unit", "symmetric", "standard"]) == name


@pytest.mark.parametrize(
    ("word", "names", "name"),
    [
        ("yes", ["never", "auto", "must"], "auto"),
        ("no", ["refuse", "allow"], "refuse"),
        ("mean", ["max", "avg", "stride"], "avg"),
        ("glorot_uniform", ["uniform", "xavier_uniform"], "xavier_uniform"),
        ("kaiming_uniform", ["uniform", "he_uniform"], "he_uniform"),
    ],
)
def test_what_others_call_so_is_understood(word: str, names: list[str], name: str) -> None:
    assert best_match(word, names) == name


@pytest.mark.parametrize(("gpu", "name"), [(True, "16-mixed"), (False, "bf16-mixed")])
def test_the_precision_that_is_proposed_runs_here(gpu: bool, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert best_match("fp16", ["16-true", "16-mixed", "bf16-true", "bf16-mixed"]) == name
