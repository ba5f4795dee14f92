"""Protects the record of a run: a run that goes on, is repeated or scored is told apart from another, key by key."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
import yaml

from cli import main
from zoo.checkpoints.checkpoint_io import SafeCheckpointIO
from zoo.checkpoints.storage import read_checkpoint
from zoo.resume.identity.comparison import compare, scored_otherwise
from zoo.resume.identity.options import flags_of
from zoo.resume.identity.records import check_record, read_identity
from zoo.resume.identity.rules import ANOTHER, EXACT, FREE, LENGTH, MAY, NUMBER, RULES, rule_of, rules_table
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

BASE = (
    "--data Digits --data.train_size 320 --data.batch_size 32 --model MLP --model.hidden [16] --figures false"
    " --trainer.accelerator cpu"
)
KEPT = Path(__file__).parents[1] / "records"


def command(*argv: str, code: int | None = 0) -> None:
    argv = tuple(word for part in argv for word in part.split())
    try:
        main(list(argv))
        found: Any = 0
    except SystemExit as stop:
        found = stop.code
    assert found == code


def fit(folder: Path, *argv: str, code: int | None = 0) -> RunFolder:
    command("fit", BASE, "--run_dir", str(folder), *argv, code=code)
    return RunFolder(folder)


def files(folder: RunFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def result(folder: RunFolder) -> dict[str, Any]:
    return json.loads(folder.result.read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return fit(tmp_path_factory.mktemp("runs") / "run", "--trainer.max_epochs 2")


@pytest.fixture(scope="module")
def record(run: RunFolder) -> dict[str, Any]:
    return read_identity(run.identity)


def changed(record: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The record with another value of a flag."""
    other = copy.deepcopy(record)
    first, *rest = key.split(".")
    held = other["config"]
    for name in (first, *rest)[:-1]:
        held = held[name]["init_args"] if "init_args" in held[name] else held[name]
    held[key.rpartition(".")[2]] = value
    return other


OTHER_VALUES: dict[str, tuple[Any, str]] = {  # of each flag one, and what it makes of a resume
    "seed_everything": (1, ANOTHER),
    "monitor": ("val/loss", ANOTHER),
    "data.root": ("elsewhere", MAY),
    "data.normalize": ("none", ANOTHER),
    "data.augment": (["flip"], ANOTHER),
    "data.balance": (True, ANOTHER),
    "data.shuffle_pixels": (5, ANOTHER),
    "model.hidden": ([17], ANOTHER),
    "model.activation": ("tanh", ANOTHER),
    "model.norm": ("batch", ANOTHER),
    "model.dropout": (0.5, ANOTHER),
    "model.init": ("zeros", ANOTHER),
    "model.schedule": ({"class_path": "zoo.schedules.Cosine"}, ANOTHER),
    "model.label_smoothing": (0.1, ANOTHER),
    "model.compile": (True, MAY),
    "model.weights": ("mnist_mlp", MAY),
    "model.freeze": ("body", ANOTHER),
    "model.unfreeze_at": (3, ANOTHER),
    "model.optimizer": ({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}, ANOTHER),
    "model.optimizer.lr": (0.5, MAY),
    "model.optimizer.betas": ([0.5, 0.9], MAY),
    "model.optimizer.eps": (1e-3, MAY),
    "model.optimizer.weight_decay": (0.1, MAY),
    "model.optimizer.amsgrad": (True, ANOTHER),
    "model.optimizer.maximize": (True, ANOTHER),
    "model.optimizer.decoupled_weight_decay": (True, ANOTHER),
    "model.optimizer.foreach": (True, MAY),
    "model.optimizer.fused": (False, MAY),
    "model.optimizer.capturable": (True, MAY),
    "model.optimizer.differentiable": (True, MAY),
    "trainer.accelerator": ("auto", MAY),
    "trainer.strategy": ("ddp", MAY),
    "trainer.devices": (2, MAY),
    "trainer.num_nodes": (2, MAY),
    "trainer.precision": ("bf16-mixed", ANOTHER),
    "trainer.logger": ([{"class_path": "zoo.loggers.TensorBoard"}], MAY),
    "trainer.callbacks": ([{"class_path": "lightning.pytorch.callbacks.EMAWeightAveraging"}], ANOTHER),
    "trainer.fast_dev_run": (True, MAY),
    "trainer.max_epochs": (3, MAY),
    "trainer.min_epochs": (3, MAY),
    "trainer.max_steps": (5, MAY),
    "trainer.min_steps": (5, MAY),
    "trainer.max_time": ("00:00:01:00", MAY),
    "trainer.limit_train_batches": (1, ANOTHER),
    "trainer.limit_val_batches": (1, ANOTHER),
    "trainer.limit_test_batches": (1, MAY),
    "trainer.limit_predict_batches": (1, MAY),
    "trainer.overfit_batches": (1, ANOTHER),
    "trainer.val_check_interval": (0.5, ANOTHER),
    "trainer.check_val_every_n_epoch": (2, ANOTHER),
    "trainer.num_sanity_val_steps": (1, MAY),
    "trainer.log_every_n_steps": (5, MAY),
    "trainer.enable_checkpointing": (True, MAY),
    "trainer.enable_progress_bar": (True, MAY),
    "trainer.enable_model_summary": (True, MAY),
    "trainer.accumulate_grad_batches": (2, ANOTHER),
    "trainer.gradient_clip_val": (1.0, ANOTHER),
    "trainer.gradient_clip_algorithm": ("value", ANOTHER),
    "trainer.deterministic": (True, EXACT),
    "trainer.benchmark": (True, EXACT),
    "trainer.inference_mode": (False, MAY),
    "trainer.use_distributed_sampler": (True, MAY),
    "trainer.profiler": ("simple", MAY),
    "trainer.detect_anomaly": (True, MAY),
    "trainer.barebones": (True, MAY),
    "trainer.plugins": (["x"], ANOTHER),
    "trainer.sync_batchnorm": (True, ANOTHER),
    "trainer.reload_dataloaders_every_n_epochs": (1, ANOTHER),
    "trainer.default_root_dir": ("elsewhere", MAY),
    "trainer.enable_autolog_hparams": (False, MAY),
    "trainer.model_registry": ("x", MAY),
    # by what they come to
    "data.batch_size": (16, ANOTHER),
    "data.val_size": (100, ANOTHER),
    "data.train_size": (100, ANOTHER),
}


def test_each_flag_that_there_is_has_been_thought_of(record):
    flags = set(flags_of(record["config"])) - {"data", "model"}
    flags |= {f"trainer.{name}" for name in record["config"]["trainer"]}
    assert flags - set(OTHER_VALUES) == set()
    assert all(f"trainer.{name}" in OTHER_VALUES for name in record["config"]["trainer"])
    assert not [key for key in flags - {"trainer.callbacks"} if rule_of(key).keys in ("trainer.*", "*")]


@pytest.mark.parametrize("key", OTHER_VALUES)
def test_each_flag_changed_once_is_told_apart(key, record):
    value, kind = OTHER_VALUES[key]
    now = {"config": changed(record, key, value)["config"]}
    found = compare(record, now)
    assert {change.kind for change in found} == {kind}, found
    assert all(change.key == key or change.key.startswith(f"{key}.") for change in found)


@pytest.mark.parametrize(
    ("key", "then", "now"),
    [
        ("trainer.precision", None, "32-true"),
        ("trainer.precision", 32, "32"),
        ("trainer.limit_train_batches", None, 1.0),
        ("trainer.gradient_clip_val", None, 0),
        ("trainer.overfit_batches", 0.0, 0),
        ("trainer.max_steps", -1, None),
        ("data.batch_size", 32, None),
        ("data.val_size", None, 143),
        ("data.augment", None, []),
    ],
)
def test_two_ways_to_write_one_thing_are_the_same(key, then, now, record):
    assert not compare(changed(record, key, then), {"config": changed(record, key, now)["config"]})


def test_the_whole_number_one_is_one_batch(record):
    found = compare(record, {"config": changed(record, "trainer.limit_train_batches", 1)["config"]})
    assert [change.kind for change in found] == [ANOTHER]


def test_what_is_not_in_the_table_is_another_experiment(record):
    for key in ("data.new_option", "model.new_option", "trainer.new_option"):
        assert [change.kind for change in compare(record, changed(record, key, 1))] == [ANOTHER]


def test_an_option_that_an_old_record_lacks_counts_as_its_default(record):
    old = copy.deepcopy(record)
    del old["config"]["model"]["init_args"]["label_smoothing"], old["config"]["trainer"]["gradient_clip_val"]
    assert not compare(old, record)
    assert [c.key for c in compare(old, changed(record, "model.label_smoothing", 0.1))] == ["model.label_smoothing"]


def test_a_length_may_change_unless_a_schedule_is_laid_out_over_it(record):
    with_schedule = changed(record, "model.schedule", {"class_path": "zoo.schedules.Cosine"})
    longer = changed(with_schedule, "trainer.max_epochs", 5)
    assert [(c.kind, c.then, c.now) for c in compare(with_schedule, longer)] == [(LENGTH, 2, 5)]


def test_what_is_scored_in_another_form_is_told(record):
    assert [c.key for c in scored_otherwise(record, changed(record, "data.normalize", "none"))] == ["data.normalize"]
    assert [c.key for c in scored_otherwise(record, changed(record, "model.activation", "tanh"))] == [
        "model.activation"
    ]
    for key in ("data.augment", "model.dropout", "trainer.max_epochs", "model.optimizer.lr", "seed_everything"):
        assert not scored_otherwise(record, changed(record, key, OTHER_VALUES[key][0]))


def test_the_table_can_be_printed():
    assert rules_table().count("\n") == len(RULES) + 1
    assert {rule.resumed for rule in RULES} == {ANOTHER, LENGTH, NUMBER, MAY, EXACT, FREE}


def test_a_resume_that_makes_another_experiment_names_every_key_and_writes_nothing(run, capsys):
    before = files(run)
    capsys.readouterr()
    flags = "--data.normalize none --model.activation tanh --model.dropout 0.3 --trainer.accumulate_grad_batches 2"
    fit(run.path, "--resume must", flags, "--data.val_size 50 --data.batch_size 16", code=2)
    line = capsys.readouterr().err
    for expected, found in (
        ("--data.normalize standard", "--data.normalize none"),
        ("--model.activation relu", "--model.activation tanh"),
        ("--model.dropout 0.0", "--model.dropout 0.3"),
        ("--trainer.accumulate_grad_batches 1", "--trainer.accumulate_grad_batches 2"),
        ("--data.val_size 143", "--data.val_size 50"),
        ("--data.batch_size 32", "--data.batch_size 16"),
    ):
        assert expected in line
        assert found in line
    assert line.count("\n") == 1
    assert files(run) == before


def test_what_may_change_is_said_once_and_recorded(run, tmp_path, capsys):
    folder = fit(tmp_path / "a", "--trainer.max_epochs 1")
    first = result(folder)
    capsys.readouterr()
    fit(folder.path, "--resume must --trainer.max_epochs 2")
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("changed since")]
    assert said == ["changed since the last start: --trainer.max_epochs 1 → 2"]
    assert yaml.safe_load(folder.config.read_text())["trainer"]["max_epochs"] == 2
    parts = result(folder)["parts"]
    assert [(part["from_step"], part["to_step"]) for part in parts] == [(0, 10), (10, 20)]
    assert [part["changed"] for part in parts] == [{}, {"trainer.max_epochs": ["1", "2"]}]
    assert parts[0]["result"]["test"] == first["test"]
    assert {"commit", "changes", "source", "versions", "device", "threads", "precision", "seconds"} <= parts[1].keys()
    weights = [read_checkpoint(each.last)["state_dict"] for each in (folder, run)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_a_start_that_trains_takes_the_result_out_of_force(tmp_path, monkeypatch):
    from zoo import Classifier

    folder = fit(tmp_path / "a", "--trainer.max_epochs 1")

    def fails(*args: Any) -> None:
        raise ValueError("power cut in the house: expected none, found one")

    with monkeypatch.context() as patched:
        patched.setattr(Classifier, "training_step", fails)
        fit(folder.path, "--resume must --trainer.max_epochs 3", code=1)
    assert not folder.result.exists()
    assert json.loads(folder.result_before.read_text())["epochs"] == 1
    command("test", "--run_dir", str(folder.path))


def test_a_length_with_a_schedule_is_refused_or_stretched(tmp_path, capsys):
    folder = fit(tmp_path / "a", "--model.schedule Cosine --trainer.max_epochs 1")
    before = files(folder)
    fit(folder.path, "--model.schedule Cosine --resume must --trainer.max_epochs 2", code=2)
    line = capsys.readouterr().err
    assert "--trainer.max_epochs 1" in line and "--trainer.max_epochs 2" in line and "--resume_schedule stretch" in line
    assert files(folder) == before
    fit(folder.path, "--model.schedule Cosine --resume must --trainer.max_epochs 2 --resume_schedule stretch")
    assert result(folder)["parts"][1]["resume_schedule"] == "stretch"


def test_a_network_is_scored_on_images_of_its_own_form(run, capsys):
    capsys.readouterr()
    for flags in ("--data.normalize none", "--data.shuffle_pixels 1"):
        command("test", "--run_dir", str(run.path), flags, code=2)
        line = capsys.readouterr().err
        assert flags in line and "--otherwise allow" in line
        command("validate", "--run_dir", str(run.path), flags, "--otherwise allow")
        said = capsys.readouterr()
        assert said.out.count("scored otherwise") == 1 and "warning" not in said.err  # once, with the number
    command("test", "--run_dir", str(run.path), "--model.activation tanh", code=2)
    assert "--model.activation relu" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["callbacks", "logger"])
def test_one_part_alone_is_compared_like_a_list_of_one(part):
    """As `--trainer.callbacks=EarlyStopping` is written down: its patience may change in either form."""
    one = {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"patience": 3}}
    forms = [flags_of({"trainer": {part: value}}) for value in (one, [one])]
    assert forms[0] == forms[1]
    assert f"trainer.{part}.EarlyStopping.patience" in forms[0]


# the user's own data


def archive(path: Path, labels: int = 0, classes: list[str] | None = None, seed: int = 0, **changed: Any) -> str:
    draw = np.random.default_rng(seed)
    arrays: dict[str, Any] = {
        "train_images": draw.integers(0, 256, (90, 8, 8), np.uint8),
        "train_labels": (np.arange(90) + labels) % 3,
        "test_images": draw.integers(0, 256, (30, 8, 8), np.uint8),
        "test_labels": (np.arange(30) + labels) % 3,
    }
    arrays |= {"classes": np.array(classes)} if classes else {}
    np.savez(path, **{name: array for name, array in {**arrays, **changed}.items() if array is not None})
    return str(path)


def own(verb: str, folder: Path, path: str, *argv: str, code: int = 0) -> None:
    base = ["--data Arrays --model MLP --model.hidden [4] --trainer.accelerator cpu --figures false"]
    first = base if verb == "fit" else []
    command(verb, *first, "--data.path", path, "--run_dir", str(folder), *argv, code=code)


NAMES = ["ant", "bee", "cat"]


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    own("fit", folder / "run", archive(folder / "own.npz", classes=NAMES), "--trainer.max_epochs 1")
    return folder


@pytest.mark.parametrize(
    "other",
    [{"seed": 1, "classes": NAMES}, {"labels": 1, "classes": NAMES}, {"classes": ["bee", "ant", "cat"]}],
    ids=["other images", "other labels", "other classes"],
)
def test_data_that_were_exchanged_are_not_trained_on(other, owned, tmp_path, capsys):
    before = files(RunFolder(owned / "run"))
    path = archive(tmp_path / "other.npz", **other)
    own("fit", owned / "run", path, "--resume must --trainer.max_epochs 2", code=2)
    assert "another experiment" in capsys.readouterr().err
    own("fit", owned / "run", path, "--resume must --trainer.max_epochs 1", code=2)  # nor is the old result theirs
    assert files(RunFolder(owned / "run")) == before


def test_a_file_that_was_moved_is_the_same(owned, tmp_path):
    shutil.copytree(owned / "run", tmp_path / "run")
    path = archive(tmp_path / "moved.npz", classes=NAMES)
    own("fit", tmp_path / "run", path, "--resume must --trainer.max_epochs 2")


def test_other_data_are_scored_with_a_word(owned, tmp_path, capsys):
    own("test", owned / "run", archive(tmp_path / "other.npz", seed=1, classes=NAMES))
    said = capsys.readouterr()
    assert said.out.count("other test images or labels than those of the run") == 1
    assert "warning" not in said.err  # once, with the number
    own("test", owned / "run", str(owned / "own.npz"))
    assert "other test images" not in capsys.readouterr().out


@pytest.mark.parametrize("classes", [["bee", "ant", "cat"], ["ant", "bee", "dog"]])
@pytest.mark.parametrize("verb", ["test", "predict", "validate"])
def test_classes_are_enforced_by_name(verb, classes, owned, tmp_path, capsys):
    own(verb, owned / "run", archive(tmp_path / "other.npz", classes=classes), code=2)
    line = capsys.readouterr().err
    k = next(k for k in range(3) if classes[k] != NAMES[k])
    assert f"class {k} " in line and NAMES[k] in line and classes[k] in line


def test_classes_in_another_order_are_scored_as_advised(owned, tmp_path, capsys):
    """Not by leaving their names out: the numbers would be taken for those of the run."""
    own("test", owned / "run", str(owned / "own.npz"))
    rows = [line for line in capsys.readouterr().out.splitlines() if "test" in line]
    before = np.load(owned / "own.npz")
    other = {**before, "test_labels": 2 - before["test_labels"], "classes": before["classes"][::-1]}
    np.savez(tmp_path / "other.npz", **other)
    own("test", owned / "run", str(tmp_path / "other.npz"), code=2)
    advice = capsys.readouterr().err.partition("Try: ")[2].partition("): ")[0] + ")"
    exec(advice, {"numpy": np, "FILE": tmp_path / "fixed.npz", **other})
    own("test", owned / "run", str(tmp_path / "fixed.npz"))
    assert [line for line in capsys.readouterr().out.splitlines() if "test" in line] == rows


@pytest.mark.parametrize("seed", [0, 1], ids=["the same images", "new images"])
def test_predictions_need_no_labels_of_the_run(seed, owned, tmp_path, capsys):
    """New images are what `predict` is for, and old ones are the same without their labels."""
    shutil.copytree(owned / "run", tmp_path / "run")
    nothing: dict[str, Any] = dict.fromkeys(("train_images", "train_labels", "test_labels"))
    own("predict", tmp_path / "run", archive(tmp_path / "new.npz", seed=seed, **nothing))
    said = capsys.readouterr()
    assert "predictions of" in said.out and "warning" not in said.err, said.err


def test_predictions_of_data_without_names_have_those_of_the_run(owned, tmp_path):
    own("predict", owned / "run", archive(tmp_path / "new.npz", train_images=None, train_labels=None, test_labels=None))
    written = list((owned / "run").glob("predictions*.csv"))
    assert any("p_ant" in path.read_text().splitlines()[0] for path in written)


@pytest.mark.parametrize("dummies", [0, 255])
def test_the_checkpoint_says_how_images_are_normalised(dummies, run, tmp_path, capsys):
    """An archive of another class of data module, whose training images are dummies."""
    from datamodules import Digits

    digits = Digits(train_size=320)
    digits.setup()
    images, labels = digits.part("test")
    path = archive(
        tmp_path / "digits.npz",
        classes=list("0123456789"),
        train_images=np.full((400, 28, 28), dummies, np.uint8),
        train_labels=np.arange(400) % 10,
        test_images=images[:, 0].numpy(),
        test_labels=labels.numpy(),
    )
    command("test", "--run_dir", str(run.path), "--data Arrays --data.path", path)
    said = capsys.readouterr()
    assert f"{result(run)['test']['loss']:.4f}" in said.out
    assert "other test images" not in said.out  # they are the same


# metrics.csv


@pytest.mark.parametrize("fault", ["deleted", "a row missing", "a row doubled", "a row changed", "none"])
def test_rows_are_corrected_from_the_checkpoint(fault, run, tmp_path, capsys):
    folder = fit(tmp_path / "a", "--trainer.max_epochs 3")
    good = [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(folder.metrics)]
    lines = folder.metrics.read_text().splitlines(keepends=True)
    if fault == "deleted":
        folder.metrics.unlink()
    elif fault != "none":
        changed = {"a row missing": [], "a row doubled": [lines[1], lines[1]], "a row changed": ["0,9,1,1,1,1,1,1\n"]}
        folder.metrics.write_text("".join([lines[0], *changed[fault], *lines[2:]]))
    capsys.readouterr()
    fit(folder.path, "--resume must --trainer.max_epochs 4")
    assert ("now corrected" in capsys.readouterr().err) == (fault != "none")
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(folder.metrics)]
    assert rows[:3] == good
    assert len(rows) == 4


# records of other versions, and of nobody


def test_a_record_of_today_is_read(record):
    kept = json.loads((KEPT / "schema1/identity.json").read_text())
    assert check_record(kept)["schema"] == 1
    assert {c.kind for c in compare(kept, record) if c.key != "data.batch_size"} <= {MAY, EXACT}


def older(folder: Path) -> RunFolder:
    """A run as it was before there were records: config.yaml and checkpoints without one."""
    command("fit -c", str(KEPT / "4e5c47a/config.yaml"), "--figures false --run_dir", str(folder))
    run = RunFolder(folder)
    run.config.write_bytes((KEPT / "4e5c47a/config.yaml").read_bytes())
    run.identity.unlink()
    for path in (run.best, run.last):
        content = read_checkpoint(path)
        for key in ("identity", "parts", "metrics", "ending"):
            content.pop(key, None)
        SafeCheckpointIO().save_checkpoint(content, path)
    return run


def test_runs_without_a_record_go_on_and_are_tested(tmp_path, capsys):
    folder = older(tmp_path / "a")
    command("test", "--run_dir", str(folder.path))
    command("test --data Digits --model MLP --model.hidden [16] --ckpt_path", str(folder.best))
    capsys.readouterr()
    command("fit --resume must --run_dir", str(folder.path), "--data.normalize none --figures false", code=2)
    assert "--data.normalize standard" in capsys.readouterr().err
    command("fit --resume must --run_dir", str(folder.path), "--trainer.max_epochs 3 --figures false")
    assert result(folder)["epochs"] == 3
    assert read_identity(folder.identity)["config"]["trainer"]["max_epochs"] == 3


FORGED: list[Any] = [
    [],
    {},
    {"schema": "1"},
    {"schema": 1, "config": []},
    {"schema": 1, "config": {"data": 3}},
    {"schema": 1, "config": {"model": {"class_path": 3, "init_args": [1]}}},
    {"schema": 1, "config": {"trainer": {"callbacks": 7, "logger": {"a": 1}}}},
    {"schema": 1, "data": {"images": {"train": "x"}}},
    {"schema": 1, "data": {"mean": "x", "std": 3}},
    {"schema": 1, "data": {"mean": [1.0, 2.0], "std": [1.0]}},
    {"schema": 1, "data": {"classes": [1, 2]}},
    {"schema": 1, "data": {"arrays": {"train": "x" * 100_000}}},
    {"schema": 1, "versions": {"torch": ["\x1b[2J"]}},
    {"schema": 1, "place": {"threads": {"deep": {}}}},
    {"schema": 1, "code": "none"},
    {"schema": 1, "config": {"data": {"class_path": "\x1b[31mred", "init_args": {"\x1b]0;x": 1}}}},
    {"schema": 10**30, "unknown": {"later": True}},
]


@pytest.mark.parametrize("forged", FORGED[3:11:3] + FORGED[-2:], ids=range(5))
def test_a_forged_record_costs_one_line_at_most(forged, run, tmp_path, capsys):
    shutil.copytree(run.path, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    for path in (folder.best, folder.last):
        SafeCheckpointIO().save_checkpoint({**read_checkpoint(path), "identity": forged, "parts": [forged]}, path)
    folder.identity.write_text(json.dumps(forged))
    for argv in (
        ["test", "--run_dir", str(folder.path)],
        ["fit", "-c", str(folder.config), "--run_dir", str(tmp_path / "new"), "--trainer.fast_dev_run true"],
        ["fit", "--run_dir", str(folder.path), "--resume", "must", "--trainer.max_epochs", "3", "--figures", "false"],
    ):
        capsys.readouterr()
        try:
            main(argv)
        except SystemExit as stop:
            assert stop.code in (0, 1, 2)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "\x1b" not in said.err
        assert said.err.count("error:") <= 1


def test_lightnings_trainer_has_no_option_that_the_table_does_not_know():
    import inspect

    names = set(inspect.signature(lightning.Trainer.__init__).parameters) - {"self"}
    assert not [name for name in names if rule_of(f"trainer.{name}").keys in ("trainer.*", "*") and name != "callbacks"]
