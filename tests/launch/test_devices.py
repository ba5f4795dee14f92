"""Protects the start on several devices: what cannot work is refused at once, in one line, by one of the processes."""

import multiprocessing
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only

from cli import main
from zoo.commands.report_errors import reported
from zoo.errors import UsageError
from zoo.launch.devices import check_devices, device_numbers
from zoo.launch.slurm import parse_counts
from zoo.launch.start import forget_launchers, launcher

FLAGS = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "sync_batchnorm": False}
JOB = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "zoo"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}


def check(environ: dict[str, str], **flags: object) -> None:
    check_devices({**FLAGS, **flags}, None, environ)


def srun(tasks: str, **more: str) -> dict[str, str]:
    """The variables of a process that srun has started; those of the job are wider."""
    step = {"SLURM_STEP_ID": "0", "SLURM_STEP_TASKS_PER_NODE": tasks, "SLURM_TASKS_PER_NODE": "8(x2)"}
    return {**JOB, **step, "SLURM_NTASKS_PER_NODE": "2", **more}


GOOD: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "alone": ({}, {}),
    "two processes that Lightning starts": ({}, {"devices": 2, "strategy": "ddp"}),
    "as text": ({}, {"devices": "2"}),
    "DDP by class": ({}, {"strategy": {"class_path": "lightning.pytorch.strategies.DDPStrategy"}}),
    "torchrun": (TORCHRUN, {"devices": 2, "num_nodes": 2}),
    "torchrun within srun": ({**srun("1(x2)"), **TORCHRUN}, {"devices": 2, "num_nodes": 2}),
    "srun": (srun("2(x3)"), {"devices": 2, "num_nodes": 3}),
    "a step of one task in a larger job": (srun("1"), {}),
    "a job of one task without srun": ({**JOB, "SLURM_TASKS_PER_NODE": "1"}, {}),
    "salloc": ({**JOB, "SLURM_JOB_NAME": "interactive", "SLURM_TASKS_PER_NODE": "4"}, {"devices": 4}),
    "nodes started by hand": ({"NODE_RANK": "1"}, {"num_nodes": 2}),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_can_work_is_let_through(name):
    environ, flags = GOOD[name]
    check(environ, **flags)


BAD: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "fsdp": ({}, {"strategy": "fsdp"}, "--trainer.strategy ddp"),
    "fsdp by class": ({}, {"strategy": {"class_path": "lightning.pytorch.strategies.FSDPStrategy"}}, "fsdpstrategy"),
    "sharding": ({}, {"strategy": "deepspeed_stage_2"}, "--trainer.strategy ddp"),
    "spawn": ({}, {"strategy": "ddp_spawn"}, "--trainer.strategy ddp"),
    "sync on CPUs": ({}, {"devices": 2, "sync_batchnorm": True}, "--trainer.sync_batchnorm false"),
    "torchrun without flags": (TORCHRUN, {}, "--trainer.devices 2 --trainer.num_nodes 2 --trainer.strategy ddp"),
    "srun without flags": (srun("2"), {}, "--trainer.devices 2 --trainer.num_nodes 1 --trainer.strategy ddp"),
    "fewer tasks than devices": (srun("2"), {"devices": 4}, "sbatch --nodes=1 --ntasks-per-node=4"),
    "other nodes": (srun("1(x2)"), {"devices": 2}, "found 2 on 2 nodes"),
    "uneven nodes": (srun("2,1"), {"devices": 2, "num_nodes": 2}, "found 3 on 2 nodes"),
    "python in a job of two": ({**JOB, "SLURM_TASKS_PER_NODE": "1(x2)"}, {}, "Try: srun python cli.py"),
    "python, flags as the job": (
        {**JOB, "SLURM_TASKS_PER_NODE": "2"},
        {"devices": 2},
        "expected 2 (--trainer.devices 2 × --trainer.num_nodes 1) started by srun, found python started alone",
    ),
    "tasks only in total": (
        {key: value for key, value in srun("2").items() if key != "SLURM_NTASKS_PER_NODE"},
        {"devices": 2},
        "found only --ntasks=2",
    ),
    "nodes without a launcher": ({}, {"num_nodes": 2}, "torchrun --nnodes 2 --nproc_per_node 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_work_is_refused(name):
    environ, flags, hint = BAD[name]
    with pytest.raises(UsageError) as refusal:
        check(environ, **flags)
    assert hint in str(refusal.value)


@pytest.mark.parametrize(
    ("devices", "refused"),
    [
        (2, None),
        ("0,1", None),
        ("auto", None),
        (-1, None),
        (3, "at most the 2 GPUs"),
        ([2], "found [2]"),
        ("0,2", "0,2"),
    ],
    ids=str,
)
@pytest.mark.parametrize("accelerator", ["gpu", "auto"])
def test_gpus_that_are_not_there(accelerator, devices, refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if not refused:
        check({}, accelerator=accelerator, devices=devices)
        return
    with pytest.raises(UsageError) as refusal:
        check({}, accelerator=accelerator, devices=devices)
    assert refused in str(refusal.value)


def test_a_machine_is_not_brought_to_a_halt(monkeypatch):
    """Each process imports torch: hundreds of them on two cores say nothing for minutes."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    for devices in (2, 4, 8):
        check({}, devices=devices)
    for found in (9, 200, "200"):
        with pytest.raises(UsageError, match=r"at most 8 processes on the 2 cores .* Try: --trainer.devices 2$"):
            check({}, devices=found)
    check({**TORCHRUN, "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1", "WORLD_SIZE": "9"},
          devices=9)  # fmt: skip  # they run already


@pytest.mark.parametrize(("batch_size", "nearest"), [(None, None), (6, None), (7, "6 or 9"), (2, "3")])
def test_a_batch_that_cannot_be_shared_out_is_refused(batch_size, nearest):
    flags = {**FLAGS, "devices": 3}
    if nearest is None:
        check_devices(flags, batch_size, {})
        return
    with pytest.raises(UsageError, match=f"multiple of the 3 devices, .+ Try: --data.batch_size {nearest}$"):
        check_devices(flags, batch_size, {})


def test_short_forms_are_read():
    assert parse_counts("2(x3),1") == [2, 2, 2, 1]
    assert device_numbers("1,3") == [1, 3]
    assert device_numbers("3") == device_numbers(3) == [0, 1, 2]
    assert device_numbers("two") == []


@pytest.mark.parametrize(("variable", "speaks"), [("0", True), ("1", False)])
def test_only_the_first_process_complains(variable, speaks, monkeypatch, capsys, tmp_path):
    """The same mistake in all processes of a step: each of them leaves, one has said why."""
    from lightning.pytorch.utilities import rank_zero_only

    for name, value in srun("2", SLURM_PROCID=variable).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", int(variable))  # read from SLURM_PROCID when a process starts
    words = ["fit", "--data", "Digits", "--model", "MLP", "--trainer.accelerator", "cpu"]
    with pytest.raises(SystemExit) as leave:
        main([*words, "--run_dir", str(tmp_path / "run")])
    assert leave.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error"] * speaks
    assert not (tmp_path / "run").exists()


# of processes that know of each other


def fails(rank: int, port: int, who: tuple[int, ...], log: Path) -> None:
    """A process of two, in which something happens that only it can know of."""
    from lightning.pytorch.utilities import rank_zero_only

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
    with log.open("a") as file:
        os.dup2(file.fileno(), 2)
    sys.stderr = os.fdopen(2, "w")
    setattr(rank_zero_only, "rank", rank)  # noqa: B010 mypy takes it for a plain function
    torch.distributed.init_process_group("gloo")
    with reported(debug=False):
        if rank in who:
            raise FileNotFoundError(2, "not there", f"the data of process {rank}")
        torch.distributed.barrier()  # waits for the other


@pytest.mark.parametrize(
    ("who", "said"),
    [((0, 1), ["process 0"]), ((0,), ["process 0"]), ((1,), ["process 1", "one that is gone"])],
    ids=["both", "the first", "the second"],
)
def test_who_alone_has_failed_says_why(who, said, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    start: Callable[..., multiprocessing.process.BaseProcess] = multiprocessing.get_context("fork").Process
    both = [start(target=fails, args=(rank, port, who, tmp_path / "log")) for rank in (0, 1)]
    began = time.monotonic()
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert time.monotonic() - began < 10
    assert [process.exitcode for process in both] == [1, 1]
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("error:")]
    assert len(lines) == len(said), lines
    assert all(words in line for words, line in zip(said, lines, strict=True)), lines


WHOLE = {
    "torchrun": {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}
    | {"MASTER_ADDR": "n1", "MASTER_PORT": "12910"},
    "srun": {f"SLURM_{name}": "1" for name in ("JOB_ID", "STEP_ID", "PROCID", "LOCALID", "NODEID")}
    | {"SLURM_NTASKS": "2"},
    "hand": {
        "LOCAL_RANK": "1",
        "NODE_RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "12910",
    },
}


@pytest.mark.parametrize("name", WHOLE)
def test_only_what_a_launcher_sets_together_is_believed(name):
    assert launcher(WHOLE[name]) == name
    environ = {**WHOLE[name], "JSM_NAMESPACE_RANK": "3", "SLURM_CPUS_PER_TASK": "2"}
    forget_launchers(environ)
    assert environ == {**WHOLE[name], "SLURM_CPUS_PER_TASK": "2"}
    if name == "hand":
        forget_launchers(environ, alone=True)
        assert environ == {"SLURM_CPUS_PER_TASK": "2"}
    for variable, value in WHOLE[name].items():
        one = {variable: value}
        forget_launchers(one)
        assert not one.keys() - {"SLURM_JOB_ID"}  # which tells of a job, and is looked at with the flags
        if name != "hand":
            assert launcher({**WHOLE[name], variable: "abc" if value.isdigit() else ""}) != name


@pytest.mark.parametrize(
    "stray",
    [
        {"SLURM_NTASKS": "4"},
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "abc"},
        {"LOCAL_RANK": "1", "MASTER_ADDR": "nowhere.invalid", "MASTER_PORT": "1"},
        {"SLURM_TASKS_PER_NODE": "1(x99999999)"},
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1"},
        {"RANK": "2", "WORLD_SIZE": "4"},
    ],
    ids=" ".join,
)
def test_stray_variables_of_a_scheduler_end_no_plain_run(stray, tmp_path, monkeypatch, capsys):
    for name, value in stray.items():
        monkeypatch.setenv(name, value)
    # as when Lightning is imported
    monkeypatch.setattr(rank_zero_only, "rank", int(stray.get("RANK", stray.get("LOCAL_RANK", 0))))
    words = "--data Digits --data.train_size 64 --model SoftmaxRegression --trainer.max_epochs 1 --figures false"
    main(["fit", *words.split(), "--trainer.accelerator", "cpu", "--run_dir", str(tmp_path / "run")])
    assert (tmp_path / "run/result.json").exists()
    assert "│ test" in capsys.readouterr().out


@pytest.mark.parametrize("counts", ["1(x99999999)", "9" * 5000, "2(x", "-1", "", "two"])
def test_numbers_of_tasks_that_are_none_are_refused_by_name(counts):
    with pytest.raises(UsageError, match="env -u SLURM_TASKS_PER_NODE"):
        check({**JOB, "SLURM_TASKS_PER_NODE": counts})


def test_a_program_that_calls_the_command_is_not_started_again(tmp_path, monkeypatch, capsys):
    """For a second device Lightning would run this program once more, with its own words."""
    words = ["fit", "--data", "Digits", "--model", "MLP", "--data.batch_size", "32", "--run_dir", str(tmp_path / "run")]
    words += ["--trainer.accelerator", "cpu", "--trainer.devices", "2"]
    monkeypatch.setattr(sys, "argv", ["program.py", "--of", "its own"])
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    line = capsys.readouterr().err
    assert re.match(
        r"error: devices in --trainer.devices: expected 1 in a program .+, found 2, .+ started again.", line
    )
    assert line.endswith("Try: --trainer.devices 1, or python cli.py fit … as a process of its own\n")
    assert not (tmp_path / "run").exists()
