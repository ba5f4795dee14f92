"""Protects jobs on a real SLURM: requeued and preempted runs end as undisturbed ones, seeds run as an array.

Needs root and the packages slurm-wlm and munge; `make test-slurm` installs them.
"""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studies import write_study
from zoo.checkpoints.storage import read_checkpoint
from zoo.launch.jobs import Jobs
from zoo.runs.folder import RunFolder

pytestmark = pytest.mark.slurm

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # seconds
WORDS = "-c configs/recipes/quickstart.yaml --trainer.accelerator cpu --trainer.max_epochs 40"  # 40 steps an epoch
SMALL = ("--gpus-per-node=1", "--ntasks-per-node=1", "--cpus-per-task=1")


class Cluster:
    """A cluster, and a folder on it from which jobs are submitted.

    Args:
        folder: for its state and the runs.
    """

    def __init__(self, folder: Path) -> None:
        self.state, self.home = folder / "cluster", folder / "home"
        self.home.mkdir()
        for name in ("cli.py", "zoo", "datamodules", "configs", "scripts"):
            (self.home / name).symlink_to(ROOT / name)
        up = self.control("up", str(self.state))
        found = dict(word.split("=", 1) for word in up.split() if "=" in word)
        self.environ = {**os.environ, **found, "PYTHON": sys.executable}

    @staticmethod
    def control(*argv: str) -> str:
        command = [str(ROOT / "scripts/slurm/local_cluster.sh"), *argv]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=90).stdout

    def ask(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.home, env=self.environ, check=check, capture_output=True, text=True, timeout=PATIENCE
        )

    def submit(self, name: str, *argv: str, options: tuple[str, ...] = ()) -> str:
        """Submits a file of scripts/slurm; returns the number of the job."""
        command = ["sbatch", "--parsable", *SMALL, *options, f"scripts/slurm/{name}.sbatch", *WORDS.split(), *argv]
        return self.ask(*command).stdout.strip()

    def about(self, job: str, what: str) -> list[str]:
        """What SLURM says of a job, or of all jobs of an array."""
        return re.findall(rf"{what}=(\S+)", self.ask("scontrol", "show", "job", job).stdout)

    def output(self, job: str) -> str:
        path = self.home / f"slurm-{job}.out"
        return path.read_text() if path.exists() else ""

    def wait(self, job: str) -> None:
        """Waits until a job has ended well."""
        until(lambda: set(self.about(job, "JobState")) <= {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})
        assert set(self.about(job, "JobState")) == {"COMPLETED"}, self.output(job)

    def wait_for_epochs(self, job: str, starts: int) -> None:
        """Waits until a job has started so many times, and is in its second epoch at least since."""

        def trains() -> bool:
            parts = self.output(job).split("run folder: ")
            return len(parts) == starts + 1 and "\nepoch" in parts[-1]

        until(trains, lambda: self.output(job))


def until(condition: Callable[[], bool], report: Callable[[], str] = str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, report()
        time.sleep(0.3)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if os.geteuid() or not shutil.which("slurmctld", path=os.environ["PATH"] + ":/usr/sbin"):
        pytest.skip("needs root and the packages slurm-wlm and munge")
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    cluster = Cluster(folder)
    yield cluster
    cluster.control("down", str(cluster.state))


def weights(folder: Path, name: str) -> str:
    """SHA-256 of all weights in a checkpoint."""
    content = read_checkpoint(folder / "checkpoints" / name)["state_dict"]
    return hashlib.sha256(b"".join(content[key].numpy().tobytes() for key in sorted(content))).hexdigest()


def test_a_job_that_is_requeued_and_preempted_ends_as_the_undisturbed_one(cluster):
    """Two nodes, one process on each. One job is not touched; the other has its time up first, then must give way."""
    still = cluster.submit("many_nodes", options=("--partition=urgent",))
    moved = cluster.submit("many_nodes")
    cluster.wait_for_epochs(moved, starts=1)
    cluster.ask("scancel", "--signal=USR1", moved)  # what SLURM does some time before the time is up
    cluster.wait_for_epochs(moved, starts=2)
    cluster.wait(still)
    cluster.ask("sbatch", "--partition=urgent", "--nodes=2", "--gpus-per-node=4", "--wrap=sleep 1")
    cluster.wait(moved)
    assert cluster.about(moved, "Restarts") == ["2"]
    assert cluster.about(still, "Restarts") == ["0"]
    folders = [RunFolder(cluster.home / "runs/slurm" / job) for job in (still, moved)]
    results = [json.loads(folder.result.read_text()) for folder in folders]
    assert results[0]["device"].startswith("2 x")
    for name in ("last.ckpt", "best.ckpt"):
        assert weights(folders[0].path, name) == weights(folders[1].path, name)
    for key in ("epochs", "best_epoch", "train", "val", "test"):
        assert results[0][key] == results[1][key]
    assert cluster.output(moved).count("stopped in epoch") == 2
    assert cluster.output(moved).count("continues from") == 2
    assert not re.search("Traceback|Aborted", cluster.output(moved))


def test_seeds_run_as_an_array(cluster):
    array = cluster.submit("seeds", "--trainer.max_epochs", "1", options=("--array=0-1",))
    cluster.wait(array)
    folders = [RunFolder(cluster.home / f"runs/slurm/{array}/s{seed}") for seed in (0, 1)]
    assert [json.loads(folder.result.read_text())["seed"] for folder in folders] == [0, 1]
    assert weights(folders[0].path, "last.ckpt") != weights(folders[1].path, "last.ckpt")


def test_processes_that_do_not_match_the_flags_all_leave_at_once(cluster):
    """In a job of two tasks: python alone, then two processes that were told of one."""
    fit = f"{sys.executable} cli.py fit {WORDS}"
    script = f"{fit} 2>alone; echo $? >codes; srun {fit} 2>srun; echo $? >>codes"
    job = cluster.ask("sbatch", "--parsable", "--nodes=2", "--ntasks-per-node=1", f"--wrap={script}").stdout.strip()
    cluster.wait(job)
    assert (cluster.home / "codes").read_text().split() == ["2", "2"]
    for name, hint in (("alone", "Try: srun python"), ("srun", "Try: --trainer.devices 1 --trainer.num_nodes 2")):
        lines = (cluster.home / name).read_text().splitlines()
        (error,) = [line for line in lines if line.startswith("error:")]
        assert hint in error


def test_a_run_that_a_program_has_sent_goes_on_when_its_time_is_up(cluster, monkeypatch):
    for name, value in cluster.environ.items():
        monkeypatch.setenv(name, value)
    jobs = Jobs(cluster.home / "log", cluster.home, 1, {"time": "10", "job_name": "sent"})
    argv = ["fit", *WORDS.split(), "--resume", "auto", "--run_dir", "runs/sent"]
    with ThreadPoolExecutor() as pool:
        end = pool.submit(jobs.start, argv)
        until(lambda: (cluster.home / "runs/sent/metrics.csv").exists())
        job = cluster.ask("squeue", "--noheader", "--name=sent", "--format=%A").stdout.strip()
        cluster.ask("scancel", "--signal=USR1", job)
        assert end.result().code == 0, end.result().stderr
    assert cluster.about(job, "Restarts") == ["1"]
    assert json.loads((cluster.home / "runs/sent/result.json").read_text())["epochs"] == 40
    with pytest.raises(ValueError, match="settings in --slurm: expected those of submitit"):
        Jobs(cluster.home / "log", cluster.home, 1, {"partitoin": "main"})


def test_a_study_that_goes_out_as_jobs_leaves_the_rows_of_one_that_ran_here(cluster):
    tables = []
    for name, how in (("here", []), ("jobs", ["--executor", "slurm", "--jobs", "2", "--slurm", "partition=main"])):
        folder = write_study(cluster.home / "studies" / name, seeds=1)
        done = cluster.ask(
            *(sys.executable, "scripts/study.py", str(folder), "--work", str(cluster.home / "work" / name)),
            *("--threads", "1", *how),
        )
        assert "2 rows in" in done.stdout
        with (folder / "results.csv").open(newline="") as file:
            tables.append([{**row, "seconds": ""} for row in csv.DictReader(file)])
    here, jobs = (sorted(table, key=lambda row: row["arm"]) for table in tables)
    assert len(list((cluster.home / "work/jobs").glob("**/*_submission.sh"))) == 2
    assert [row["error"] for row in jobs] == ["", ""]
    assert jobs == here


def test_up_twice_is_up_once_and_down_twice_is_down(cluster, tmp_path):
    assert cluster.control("up", str(cluster.state)).strip().endswith("MASTER_ADDR=127.0.0.1")
    assert cluster.control("down", str(tmp_path / "never")) == ""
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    for verb in ("up", "down"):
        with pytest.raises(subprocess.CalledProcessError):
            cluster.control(verb, str(tmp_path / "other"))
    assert (tmp_path / "other/file").exists()
