"""Protects `zoo.load(RUN)`: a run of whatever data, network and training answers as Lightning's prediction does, an old
one too; what is none of the zoo's is told in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cli import main
from conftest import npz_arrays
from forked import done_by_two
from small_runs import digits_test
from zoo.checkpoints.checkpoint_io import SafeCheckpointIO
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.weights.loading import load

SMALL = "--trainer.accelerator cpu --trainer.max_epochs 1 --figures false"
DIGITS = "fit --data Digits --data.train_size 64 --data.val_size 32 --data.batch_size 32"
MLP = "--model MLP --model.hidden [8]"
AVERAGED = "--trainer.callbacks+ lightning.pytorch.callbacks.EMAWeightAveraging --trainer.callbacks.decay 0.9"
PRUNED = (
    "--trainer.callbacks+ ModelPruning --trainer.callbacks.pruning_fn l1_unstructured --trainer.callbacks.amount .3"
)


def fit(folder: Path, words: str) -> Path:
    main([*words.split(), *SMALL.split(), "--run_dir", str(folder)])
    return folder


def answers(run: Path, classes: int) -> np.ndarray:
    """Probabilities of the test images as Lightning's predict writes them, (N, K)."""
    main(["predict", "--run_dir", str(run)])
    rows = np.genfromtxt(RunFolder(run).predictions, delimiter=",", skip_header=1, dtype=str)
    return rows[:, -classes:].astype(float)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """The test images of the digits, (359, 1, 28, 28) uint8."""
    return digits_test()[0]


@pytest.mark.parametrize(
    "flags",
    [
        f"{MLP} --data.normalize none",
        f"{MLP} --data.normalize symmetric --data.shuffle_pixels 3",
        f"{MLP} --data.normalize unit --model.label_smoothing 0.1",
        "--model SoftmaxRegression --data.augment [shift_rotate]",
        "--model MLP --model.hidden [] --data.val_size 0",
        "--model MLP --model.hidden [8,7] --model.activation torch.nn.PReLU --model.norm batch --model.dropout 0.2",
        "--model MLP --model.hidden [8] --model.activation torch.nn.LeakyReLU --model.activation.negative_slope 0.3",
        "--model LeNet --model.channels [2,3] --model.pool stride --model.norm batch --model.activation torch.nn.Tanh",
        "--model LeNet --model.channels [2] --model.kernel_size 4 --model.pool avg --model.init orthogonal",
        "--model ConvNet --model.channels [4,5] --model.depth 1 --model.norm layer --model.kernel_size 5",
        "--model ConvNet --model.channels [4] --model.norm none --model.pool stride --model.activation prelu",
        "--model ResNet --model.channels [4,8] --model.depth 10 --model.norm layer --model.activation elu",
        "--model ViT --model.width 16 --model.depth 2 --model.positions sincos --model.patch_size 7",
        "--model ViT --model.width 15 --model.depth 1 --model.heads 3 --model.patch_size 14 --model.mlp_ratio 1.5",
        "--model FastNet --model.channels [4,6] --model.depth 1 --model.whiten_kernel 3 --model.head_scale 0.2",
        f"{MLP} --trainer.precision 64-true",
        f"{MLP} --trainer.callbacks+ EMAWeightAveraging --trainer.callbacks.decay 0.9",
        f"{MLP} {PRUNED}",
    ],
)  # fmt: skip
def test_a_run_answers_as_lightning_does(flags: str, tmp_path: Path, images: np.ndarray) -> None:
    run = fit(tmp_path / "run", f"{DIGITS} {flags}")
    assert np.abs(load(run)(images) - answers(run, 10)).max() < 2e-6


def test_a_run_and_its_weights_answer_alike_to_the_last_bit(tmp_path: Path, images: np.ndarray) -> None:
    """FastNet trains in another layout of memory, in which sums come out a little differently."""
    run = fit(tmp_path / "run", f"{DIGITS} --model FastNet --model.channels [4,6] --model.depth 1")
    main(["weights", "save", str(run), "--out", str(tmp_path / "out")])
    assert (load(run)(images) == load(tmp_path / "out")(images)).all()


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "16-true"])
def test_a_run_of_low_precision_answers_in_float32(precision: str, tmp_path: Path, images: np.ndarray) -> None:
    run = fit(tmp_path / "run", f"{DIGITS} {MLP} --trainer.precision {precision}")
    model = load(run)
    assert {tensor.dtype for tensor in model.net.state_dict().values()} == {torch.float32}
    assert np.abs(model(images) - answers(run, 10)).max() < 3e-3


def test_a_compiled_run_answers_alike(tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda net, **settings: net)  # which takes half a minute; names stay
    run = fit(tmp_path / "run", f"{DIGITS} {MLP} --model.compile true")
    assert np.abs(load(run)(images) - answers(run, 10)).max() < 2e-6


def test_a_run_on_two_devices_answers_alike(tmp_path: Path, images: np.ndarray) -> None:
    run = tmp_path / "run"
    flags = [*SMALL.split(), "--run_dir", str(run), "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    done_by_two(tmp_path, [*f"{DIGITS} {MLP}".split(), *flags])
    predicted = load(run)(images)
    main(["predict", "--run_dir", str(run), "--trainer.devices", "1", "--trainer.strategy", "auto"])
    rows = np.genfromtxt(RunFolder(run).predictions, delimiter=",", skip_header=1)[:, -10:]
    assert np.abs(predicted - rows).max() < 2e-6


NAMES = np.array(["cat", "dog", "owl"])
ARRAYS: dict[str, tuple[tuple[int, ...], dict[str, Any], list[str], str]] = {
    "numbers": ((8, 6), {}, ["0", "1", "2"], ""),
    "a list of names": ((8, 6), {"classes": NAMES}, [*NAMES], "--data.normalize unit"),
    "names as labels": (
        (8, 6),
        {f"{split}_labels": NAMES[np.arange(n) % 3] for split, n in (("train", 30), ("test", 12))},
        [*NAMES],
        "--data.shuffle_pixels 7",
    ),
    "colours": ((8, 6, 3), {"classes": NAMES}, [*NAMES], "--data.normalize standard"),
    "colours, shuffled": ((8, 6, 3), {}, ["0", "1", "2"], "--data.normalize symmetric --data.shuffle_pixels 1"),
    "very long names": ((8, 6), {"classes": np.array([name * 3000 for name in "abc"])}, [], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_a_run_on_own_images_answers_alike(name: str, tmp_path: Path, capsys: Any) -> None:
    shape, changed, classes, flags = ARRAYS[name]
    arrays = {**npz_arrays(*shape), **changed}
    if not classes:
        arrays["classes"] = np.array([name * 1900 for name in "abcdefghijklm"])  # more than a run's record holds
        arrays["train_labels"], arrays["test_labels"] = np.arange(30) % 13, np.arange(12)
    classes = classes or [*arrays["classes"]]
    np.savez(tmp_path / "own.npz", **arrays)
    data = f"fit --data Arrays --data.path {tmp_path}/own.npz --data.batch_size 8 {flags} {MLP}"
    run = fit(tmp_path / "run", data)
    capsys.readouterr()
    model = load(run)
    assert not capsys.readouterr().err
    assert model.classes == classes
    assert np.abs(model(arrays["test_images"]) - answers(run, len(classes))).max() < 2e-6


# runs of older versions, and of nobody


def changed(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the checkpoints of a run."""
    for path in (RunFolder(run).best, RunFolder(run).last):
        content = read_checkpoint(path)
        change(content)
        SafeCheckpointIO().save_checkpoint(content, path)


def test_a_run_without_a_record_loads(tmp_path: Path, images: np.ndarray) -> None:
    """Before there were records, a checkpoint had neither the order of the pixels nor the names of classes."""
    run = fit(tmp_path / "run", f"{DIGITS} {MLP} --data.shuffle_pixels 5")
    expected = load(run)(images)

    def older(content: dict[str, Any]) -> None:
        del content["identity"], content["Digits"]["pixels"]

    changed(run, older)
    (run / "identity.json").unlink()
    assert (load(run)(images) == expected).all()


def test_a_run_that_knows_the_sum_of_its_order_loads_if_it_is_that(tmp_path: Path, images: np.ndarray) -> None:
    run = fit(tmp_path / "run", f"{DIGITS} {MLP} --data.shuffle_pixels 5")
    expected = load(run)(images)
    changed(run, lambda content: content["Digits"].pop("pixels"))
    assert (load(run)(images) == expected).all()
    changed(run, lambda content: content["identity"]["data"].update(pixels="0" * 64))
    with pytest.raises(ValueError, match=r"order of pixels in .*: expected SHA-256 0{11}…"):
        load(run)


def test_names_that_an_older_run_did_not_keep_are_missed(tmp_path: Path, capsys: Any) -> None:
    np.savez(tmp_path / "own.npz", **{**npz_arrays(8, 6), "classes": NAMES})
    run = fit(tmp_path / "run", f"fit --data Arrays --data.path {tmp_path}/own.npz --data.batch_size 8 {MLP}")
    changed(run, lambda content: content.pop("identity"))
    assert load(run).classes == ["0", "1", "2"]
    assert ": expected names in its checkpoint, found none" in capsys.readouterr().err


def test_a_network_of_ones_own_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("import zoo\n\nclass Mine(zoo.MLP):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    run = fit(tmp_path / "run", f"{DIGITS} --allow_import mine --model mine.Mine --model.hidden [8]")
    with pytest.raises(ValueError, match=r"network in .*: expected one of .*, found .mine\.Mine., which needs"):
        load(run)


FORGED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no shape": (lambda held: held["hyper_parameters"].pop("in_shape"), "in_shape in"),
    "a shape of words": (lambda held: held["hyper_parameters"].update(in_shape=["a", "b"]), "in_shape in"),
    "a huge shape": (lambda held: held["hyper_parameters"].update(in_shape=(10**9, 1, 1)), "in_shape in"),
    "no record": (lambda held: held.update(identity={}) or held["Digits"].clear(), "normalisation in"),
    "a mean of words": (lambda held: held["Digits"].update(mean=["a"]), "normalisation in"),
    "no spread": (lambda held: held["Digits"].update(std=[0.0]), "normalisation in"),
    "a network's name": (lambda held: held["hyper_parameters"].update(_class_path=[1]), "network in"),
    "other sizes": (lambda held: held["hyper_parameters"].update(hidden=[10**7]), "expected 1.bias of shape"),
    "a deep list": (lambda held: held["hyper_parameters"].update(hidden=[[[8]]]), "hidden of the model in"),
    "nan": (lambda held: held["state_dict"]["net.1.bias"].fill_(float("nan")), "expected finite numbers"),
}


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(tmp_path_factory.mktemp("runs") / "run", f"{DIGITS} {MLP}")


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_run_is_told_in_one_line(name: str, plain_run: Path) -> None:
    change, said = FORGED[name]
    kept = {path: path.read_bytes() for path in RunFolder(plain_run).checkpoints.iterdir()}
    try:
        changed(plain_run, change)
        with pytest.raises(ValueError, match=rf"^(?=.*{said}).* in .*: expected .*, found"):
            load(plain_run)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    assert load(plain_run).classes[:2] == ["0", "1"]
