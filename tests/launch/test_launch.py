"""Protects runs that a program starts: their exit code and words come back; a job returns to the queue only if due."""

import math
import os
import sys
from pathlib import Path

import pytest

from zoo.launch import jobs as launch
from zoo.launch.jobs import Jobs, processors, put_back, quota, start_here, start_in_job

ROOT = Path(__file__).parents[2]


def test_a_run_here_tells_how_it_ended():
    ended = start_here(["fitt"], folder=ROOT)
    assert ended.code == 2
    assert "Try: python cli.py fit" in ended.stderr


@pytest.mark.parametrize(("state", "returns"), [("RUNNING", True), ("COMPLETING", False), ("", False)])
def test_a_job_is_put_back_unless_it_was_cancelled_or_preempted(state, returns, tmp_path, monkeypatch):
    for name, rest in (("squeue", f"echo {state}"), ("scontrol", f'echo "$*" >{tmp_path}/called')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{rest}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    waited: list[float] = []
    monkeypatch.setattr(launch.time, "sleep", waited.append)
    put_back("12")
    assert waited  # until SLURM ends the process: its return would be the end of the run
    assert (tmp_path / "called").exists() == returns
    if returns:
        assert (tmp_path / "called").read_text() == "requeue 12\n"


@pytest.mark.parametrize(("code", "returns"), [(143, True), (138, True), (0, False), (2, False)])
def test_only_a_run_that_was_told_to_stop_returns(code, returns, tmp_path, monkeypatch):
    put: list[str] = []
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setattr(launch, "put_back", put.append)
    monkeypatch.setattr(launch, "start_here", lambda *args: launch.Ended(code, ""))
    assert start_in_job(["fit"], 1, tmp_path).code == code
    assert put == ["12"] * returns


def test_without_slurm_or_submitit_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "")  # set by Jobs, and taken back at the end of the test
    monkeypatch.setenv("PATH", str(tmp_path))
    pytest.importorskip("submitit")
    with pytest.raises(ValueError, match=r"programs in PATH: .+, found no srun\. Try: "):
        Jobs(tmp_path, ROOT, 1, {})
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"package in --executor: .+ Try: pip install"):
        Jobs(tmp_path, ROOT, 1, {})


@pytest.mark.parametrize(
    ("files", "group", "expected"),
    [
        ({}, "0::/", math.inf),
        ({"cpu.max": "max 100000"}, "0::/", math.inf),
        ({"cpu.max": "150000 100000"}, "0::/job", 1.5),
        ({"job/cpu.max": "50000 100000", "cpu.max": "max 100000"}, "0::/job/step", 0.5),
        ({"cpu/job/cpu.cfs_quota_us": "200000", "cpu/job/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/job", 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/job", math.inf),
    ],
)
def test_a_quota_of_processors_is_read_from_either_version_of_control_groups(files, group, expected, tmp_path):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    (tmp_path / "own").write_text(f"1:name=systemd:/x\n{group}\n")
    assert quota(tmp_path, tmp_path / "own") == expected
    assert 1 <= processors() <= (os.cpu_count() or 1)
