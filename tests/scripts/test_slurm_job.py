"""Protects jobs that were asked for wrongly, and their way back into the queue; stand-ins take the place of SLURM."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in (ROOT / "scripts/slurm").glob("*.sbatch"))
JOB = {"SLURM_JOB_ID": "12", "SLURM_JOB_NAME": "zoo", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4"}
ARRAY = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"}
WORDS = ("-c", "configs/recipes/mnist_lenet.yaml")


@pytest.fixture
def slurm(tmp_path):
    """Runs an sbatch file as SLURM would, with programs that write down how they were called."""
    calls = tmp_path / "calls"
    (tmp_path / "bin").mkdir()

    def program(name: str, rest: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{calls}\n{rest}\n')
        path.chmod(0o755)

    def run(
        name: str, *argv: str, code: int = 0, state: str = "RUNNING", without: str = "", **more: str
    ) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        program("srun", f"exit {code}")
        program("squeue", f"echo {state}")
        program("scontrol", "exit 0")
        environ = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "PYTHON": "python3", **JOB, **ARRAY, **more}
        environ.pop(without, None)
        calls.write_text("")
        command = ["bash", f"scripts/slurm/{name}.sbatch", *argv]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30)
        return done, calls.read_text().splitlines()

    return run


@pytest.mark.parametrize("name", FILES)
def test_a_good_job_starts_the_run_once_for_all_tasks(name, slurm):
    done, (call,) = slurm(name, *WORDS, SLURM_GPUS_ON_NODE="4", SLURM_CPUS_PER_TASK="3")
    assert done.returncode == 0, done.stderr
    assert call.startswith("srun --kill-on-bad-exit=1 --cpus-per-task=3 python3 cli.py fit --resume auto --run_dir ")
    assert "--trainer.devices 4 --trainer.num_nodes 2 --trainer.accelerator gpu -c configs/recipes/mnist" in call
    assert ("--run_dir runs/slurm/12/s3 " in call) == (name == "seeds")
    assert call.endswith(" --seed_everything 3") == (name == "seeds")


WRONG = [
    ("no job", {"without": "SLURM_JOB_ID"}, WORDS, "job in SLURM_JOB_ID"),
    ("no words", {}, (), "words behind the file"),
    ("no python", {"PYTHON": "/nowhere/python"}, WORDS, "found none at /nowhere/python"),
    ("only --ntasks", {"without": "SLURM_NTASKS_PER_NODE"}, WORDS, "--ntasks-per-node=1"),
    ("fewer tasks than GPUs", {"SLURM_GPUS_ON_NODE": "8"}, WORDS, "Try: --ntasks-per-node=8"),
    ("GPUs of tasks", {"SLURM_GPUS_PER_TASK": "1"}, WORDS, "Try: --gpus-per-node=4"),
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("what", "setting", "argv", "hint"), WRONG, ids=[row[0] for row in WRONG])
def test_a_wrong_job_says_so_and_starts_nothing(name, what, setting, argv, hint, slurm):
    done, calls = slurm(name, *argv, **setting)
    assert done.returncode == 2
    assert not calls
    (line,) = done.stderr.splitlines()
    assert re.match(r"error: .+: expected .+, found .+ Try: ", line)
    assert hint in line


@pytest.mark.parametrize(
    ("argv", "setting", "hint"),
    [
        (WORDS, {"without": "SLURM_ARRAY_TASK_ID"}, "--array=0-4"),
        ((*WORDS, "--seed_everything", "1"), {}, "--seed_everything"),
        ((*WORDS, "--run_dir=runs/x"), {}, "--run_dir"),
    ],
    ids=["no array", "a seed", "one folder for all"],
)
def test_an_array_of_seeds_has_the_seeds_and_the_folders(argv, setting, hint, slurm):
    done, calls = slurm("seeds", *argv, **setting)
    assert (done.returncode, calls) == (2, [])
    assert hint in done.stderr


@pytest.mark.parametrize(
    ("code", "state", "returns"),
    [
        (143, "RUNNING", True),  # its time was up
        (138, "RUNNING", True),  # it was still importing
        (143, "COMPLETING", False),  # cancelled, or preempted: then SLURM has put it back
        (0, "RUNNING", False),
        (1, "RUNNING", False),
        (2, "RUNNING", False),
    ],
)
def test_only_a_run_whose_time_was_up_returns_to_the_queue(code, state, returns, slurm):
    done, calls = slurm("one_gpu", *WORDS, code=code, state=state)
    assert done.returncode == code
    assert ("scontrol requeue 12" in calls) == returns


@pytest.mark.parametrize("name", FILES)
def test_the_files_ask_for_what_a_run_needs(name):
    options = dict(re.findall(r"#SBATCH --([a-z-]+)(?:=(\S+))?", (ROOT / f"scripts/slurm/{name}.sbatch").read_text()))
    assert options["ntasks-per-node"] == options["gpus-per-node"]
    assert options["signal"].startswith("USR1@")  # to the tasks; with B: it would be to the script
    assert {"requeue", "open-mode", "time"} <= set(options)
    assert ("array" in options) == (name == "seeds")
    assert os.access(ROOT / "scripts/slurm/local_cluster.sh", os.X_OK)
