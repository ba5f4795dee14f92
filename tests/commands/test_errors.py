"""Protects what a user sees when something is wrong: one line that helps, an exit code, and nothing left behind."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from cli import main
from datamodules.mnist import PARTS
from zoo.commands.cli.trainer_checks import check_trainer
from zoo.commands.verbs import verbs

FORM = re.compile(r"^error: .+ in .+: expected .+, found .+")
MLP = ["--model", "MLP"]
DIGITS = ["--data", "Digits"]


def complaint(argv: list[str], capsys: pytest.CaptureFixture[str], code: int | None = None) -> str:
    """What the command says on stderr: exactly one line in the agreed form."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([*argv, "--trainer.accelerator", "cpu"] if argv and argv[0] == "fit" else argv)
    assert stop.value.code in ((1, 2) if code is None else (code,))
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert FORM.match(lines[0]), lines[0]
    return lines[0]


@pytest.fixture(autouse=True)
def clean_folder(tmp_path, monkeypatch):
    """Each command starts in a folder of its own, and must not leave a run in it."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "refused").exists()


REFUSED = ["--run_dir", "refused"]

USAGE = [
    (["fit", *DIGITS, *MLP, "--model.hiden", "[3]"], "--model.hidden"),
    (["fit", *DIGITS, *MLP, "--trainer.max_epoch", "3"], "--trainer.max_epochs"),
    (["fitt", *DIGITS, *MLP], "fit"),
    (["fit", "--data", "MNISTT", *MLP], "MNIST"),
    (["fit", *DIGITS, "--model", "MLPP"], "MLP"),
    (["fit", *DIGITS, *MLP, "--model.activation", "rellu"], "relu"),
    (["fit", *DIGITS, *MLP, "--model.schedule", "Cosin"], "Cosine"),
    (["fit", *DIGITS, *MLP, "--model.optimizer", "torch.optim.SDG"], "SGD"),
    (["fit", *DIGITS, *MLP, "--trainer.max_epochs", "many"], "int"),
    (["fit", *DIGITS, *MLP, "--data.batch_size", "0"], "at least 1"),
    (["fit", *DIGITS, *MLP, "--data.batch_size", "1.5"], "int"),
    (["fit", *DIGITS, *MLP, "--data.batch_size", "99999"], "at most the 1295 training images"),
    (["fit", *DIGITS, *MLP, "--data.train_size", "99999"], "--data.train_size 1295"),
    (["fit", *DIGITS, *MLP, "--data.val_size", "99999"], "--data.val_size 143"),
    (["download", *DIGITS, "--data.val_size", "99999"], "--data.val_size 143"),
    (["fit", "--data", "Arrays", "--data.path", "nope.npz", *MLP], "--data.path FILE.npz"),
    (["fit", *DIGITS, *MLP, "--model.label_smoothing", "2"], "0 to below 1"),
    (["fit", *DIGITS, *MLP, "--model.dropout", "1.5"], "Try: --model.dropout 0.1"),
    (["fit", *DIGITS, *MLP, "--model.hidden", "[0]"], "Try: --model.hidden '[64]'"),
    (["fit", *DIGITS, *MLP, "--trainer.profiler", "simpel"], "found 'simpel'. Try: --trainer.profiler simple"),
    (["fit", *DIGITS, *MLP, "--trainer.strategy", "ddpp"], "found 'ddpp'. Try: --trainer.strategy ddp"),
    (
        ["fit", *DIGITS, *MLP, "--trainer.gradient_clip_algorithm", "nrm"],
        "found 'nrm'. Try: --trainer.gradient_clip_algorithm norm",
    ),
    (
        [*("fit", *DIGITS, *MLP, "--trainer.callbacks", "EarlyStopping"), "--trainer.callbacks.monitor", "test/loss"],
        "Try: --trainer.callbacks.monitor val/loss",
    ),
    (["completion", "fish"], "completion bash"),
    (["fit", *DIGITS, *MLP, "--checkpoint_every", "-1"], "Try: --checkpoint_every 60"),
    (["fit", *DIGITS, *MLP, "--seed_everything", "-1"], "seed"),
    (["fit", *DIGITS, "--model", "ConvNet", "--model.channels", "[4,4,4,4,4,4]"], "pooling after stage 5 of 6"),
    (["fit", *DIGITS, "--model", "ConvNet", "--model.channels", "[]"], "channels"),
    (["fit", *DIGITS, *MLP, "--checkpoint_every", "0"], "more than 0"),
    (["fit", *DIGITS, *MLP, "--trainer.devices", "2", "--trainer.strategy", "ddp_spawn"], "ddp"),
    (["fit", *DIGITS, *MLP, "--checkpoint_every", "soon"], "float"),
    (["fit", "-c", "nope.yaml"], "nope.yaml"),
    (["fit", *DIGITS, *MLP, "--resume", "must"], "--run_dir"),
    (["fit", "--resume", "must", "--run_dir", "nowhere"], "holds a run (config.yaml), found none in nowhere"),
    (
        ["fit", "--resume", "auto", *REFUSED],
        "in refused to continue (config.yaml), or --data and --model for a new",
    ),
    (["fit", *DIGITS, *MLP, "--trainer.devices", "2000"], "--trainer.devices: expected at most"),
    (["test"], "--run_dir"),
    (["predict", *DIGITS, *MLP], "--run_dir"),
    (["validate", "--run_dir", "nowhere"], "nowhere"),
    (["test", *DIGITS, *MLP, "--ckpt_path", "nope.ckpt"], "nope.ckpt"),
    ([], "fit"),
]


@pytest.mark.parametrize(
    ("argv", "hint"), USAGE, ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else ""
)
def test_usage(argv, hint, capsys):
    argv = [*argv, *REFUSED] if "fit" in argv and "--resume" not in argv else argv
    assert hint in complaint(argv, capsys, code=2)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("run_dir: s3://bucket/run", "--run_dir"),
        ("trainer: {strategy: nope}", "--trainer.strategy"),
        ("trainer: {logger: MLFlowLogger}", "--trainer.logger"),
        ("model.init_args.optimizer: torch.optim.Muon", "--model.optimizer"),
        ('ckpt_path: "a\\0b"', "--ckpt_path"),
    ],
)
def test_a_file_that_parses_and_cannot_be_run(content, where, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text(content)
    line = complaint(["fit", *DIGITS, *MLP, *REFUSED, "-c", str(tmp_path / "own.yaml")], capsys)
    assert f" in {where}: expected " in line


@pytest.mark.parametrize(
    ("content", "found"), [("trainer: null", "null"), ("trainer: 3", "3"), ("trainer: []", r"\[\]")]
)
def test_no_options_where_there_are_many(content, found, tmp_path):
    (tmp_path / "own.yaml").write_text(content)
    with pytest.raises(ValueError, match=f"in --trainer: expected names with values, found {found}$"):
        main(["fit", *DIGITS, *MLP, *REFUSED, "-c", str(tmp_path / "own.yaml"), "--debug"])


def test_a_file_that_is_no_text(tmp_path, capsys):
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe")
    assert f" in {tmp_path}/own.yaml: " in complaint(
        ["fit", "-c", str(tmp_path / "own.yaml"), *REFUSED], capsys, code=2
    )


def test_an_accelerator_that_is_misspelt():
    with pytest.raises(ValueError, match=r"found 'gpuu'\. Try: --trainer\.accelerator gpu$"):
        check_trainer({"accelerator": "gpuu"})


def test_a_batch_larger_than_the_data(capsys):
    line = complaint(["fit", *DIGITS, *MLP, "--data.batch_size", "5000", *REFUSED], capsys, code=2)
    assert "1295" in line
    assert "5000" in line
    assert "Try: --data.batch_size 128" in line


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])


def test_no_data_and_no_network(capsys, no_network):
    line = complaint(["fit", "--data", "MNIST", "--data.root", "empty", *MLP, *REFUSED], capsys)
    assert "empty/MNIST/raw" in line
    assert "python cli.py download --data MNIST --data.root" in line


def test_a_truncated_file_is_named(tmp_path, capsys, no_network):
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for name, count in PARTS.values():
        (raw / f"{name}-images-idx3-ubyte").write_bytes(bytes(100))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(bytes(8 + count))
    line = complaint(["fit", "--data", "MNIST", "--data.root", str(tmp_path), *MLP, *REFUSED], capsys)
    assert "train-images-idx3-ubyte" in line
    assert "expected 47040016 bytes, found 100" in line


def archive(path: Path, **changes: object) -> list[str]:
    arrays: dict[str, object] = {
        "train_images": np.zeros((40, 8, 8), np.uint8),
        "train_labels": np.arange(40) % 4,
        "test_images": np.zeros((8, 8, 8), np.uint8),
        "test_labels": np.arange(8) % 4,
    }
    arrays.update(changes)
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})  # type: ignore[arg-type]
    return ["--data", "Arrays", "--data.path", str(path), "--data.batch_size", "8"]


NAN = np.full((40, 8, 8), np.nan, np.float32)


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"train_labels": None}, "train_labels"),
        ({"test_images": None}, "test_images"),
        ({"test_labels": np.full(8, 7)}, "found 7 to 7"),
        ({"train_images": NAN}, "NaN"),
        ({"train_images": np.full((40, 8, 8), 1000)}, "found int64"),
        ({"train_images": np.zeros((40, 8, 8, 2), np.uint8)}, "(40, 8, 8, 2)"),
    ],
    ids=["no labels", "no test images", "label range", "nan", "type", "channels"],
)
def test_own_arrays(changes, hint, tmp_path, capsys):
    data = archive(tmp_path / "own.npz", **changes)
    line = complaint(["fit", *data, *MLP, *REFUSED], capsys)
    assert hint in line
    assert "own.npz" in line


@pytest.fixture
def trained(tmp_path, capsys) -> Path:
    main(
        [
            "fit",
            *DIGITS,
            *MLP,
            "--model.hidden",
            "[8]",
            "--trainer.max_epochs",
            "1",
            "--run_dir",
            str(tmp_path / "done"),
        ]
    )
    return tmp_path / "done"


def test_a_run_is_not_overwritten(trained, capsys):
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    assert "--resume auto" in complaint(["fit", *DIGITS, *MLP, "--run_dir", str(trained)], capsys, code=2)
    assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == before


def test_weights_of_another_model_or_data(trained, tmp_path, capsys):
    best = str(trained / "checkpoints/best.ckpt")
    line = complaint(["test", *DIGITS, "--model", "LeNet", "--ckpt_path", best], capsys, code=2)
    assert "LeNet" in line
    assert "MLP" in line
    line = complaint(["test", "--run_dir", str(trained), "--model.hidden", "[9]"], capsys, code=2)
    assert "(9, 784)" in line
    assert "(8, 784)" in line
    colour = archive(
        tmp_path / "colour.npz",
        train_images=np.zeros((40, 28, 28, 3), np.uint8),
        test_images=np.zeros((8, 28, 28, 3), np.uint8),
    )
    line = complaint(["test", "--run_dir", str(trained), *colour], capsys, code=2)
    assert "3 × 28 × 28" in line
    assert "1 × 28 × 28" in line


@pytest.mark.parametrize("content", [b"", b"no checkpoint", "half", "foreign"])
def test_a_broken_checkpoint(content, trained, capsys):
    best = trained / "checkpoints/best.ckpt"
    if content == "half":
        best.write_bytes(best.read_bytes()[: best.stat().st_size // 2])
    elif content == "foreign":
        torch.save({"weights": torch.zeros(3)}, best)
    else:
        best.write_bytes(content)
    assert "best.ckpt" in complaint(["test", "--run_dir", str(trained)], capsys, code=1)


def test_debug_shows_the_traceback():
    with pytest.raises(ValueError, match="at least 1"):
        main(["fit", *DIGITS, *MLP, "--data.batch_size", "0", "--debug"])


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"train_images": np.random.default_rng(0).random((30, 8, 6))}, "type of train_images"),
        ({"train_images": np.ones((30, 48), np.uint8)}, "shape of train_images"),
        ({"train_labels": 1 + np.arange(30) % 3, "classes": np.array(["a", "b", "c"])}, "labels of train_labels"),
        ({"test_images": None, "test_labels": None}, "arrays"),
        ({"train_images": None}, "arrays"),
        ({"classes": np.array(["a", "b"])}, "labels of train_labels"),
        ({"classes": np.array([[1.0]])}, "shape of classes"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_file_of_data_that_is_wrong_is_no_wrong_command(changed, what, npz, capsys):
    """Whether it is noticed while the file is read, or when its parts are put together."""
    path = npz(**changed)
    line = complaint(["fit", "--data", "Arrays", "--data.path", path, *MLP, *REFUSED], capsys, code=1)
    assert line.startswith(f"error: {what} in {path}: ")


def test_the_help_of_a_verb_has_the_flags_that_its_errors_and_files_speak_of():
    assert all("--otherwise" in verbs()[name].HELP for name in ("validate", "test", "predict"))
    assert "--out FILE.csv" in verbs()["predict"].HELP
