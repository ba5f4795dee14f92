"""What SLURM has started, by its variables: is there one process for each device?

    batch shell   SLURM_JOB_ID, SLURM_TASKS_PER_NODE=4(x2)              runs once, whatever the job's tasks
    srun          and SLURM_STEP_ID, SLURM_STEP_TASKS_PER_NODE=4(x2)    runs once per task

Jobs are requeued by their batch scripts (scripts/slurm/job.sh), not from here: a script outlives the processes, and
need not ask what state they were in. Of Lightning's own way, which saves and requeues inside the signal handler, in the
middle of a step, nothing is used.
"""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from zoo.config.errors.option_errors import format_value
from zoo.errors import UsageError
from zoo.launch.start import INTERACTIVE

MOST_NODES = 65_536  # of a cluster, as SLURM has it


def in_job(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process belongs to a job in which srun starts the processes."""
    return "SLURM_JOB_ID" in environ and environ.get("SLURM_JOB_NAME") not in INTERACTIVE


class Tasks(NamedTuple):
    """Processes that SLURM starts.

    Attributes:
        per_node: how many on each node.
        by_srun: whether this process is one of them; if not, it is the only one.
        fixed: whether --ntasks-per-node was given, without which Lightning refuses to work.
    """

    per_node: list[int]
    by_srun: bool
    fixed: bool

    def check(self, devices: int, nodes: int) -> None:
        """Raises UsageError unless there is one process for each device."""
        total, flags = devices * nodes, f"--trainer.devices {devices} × --trainer.num_nodes {nodes}"
        found = f"{sum(self.per_node)} on {len(self.per_node)} node{'s' * (len(self.per_node) > 1)}"
        if not self.by_srun and max(total, sum(self.per_node)) > 1:
            raise UsageError(
                f"processes in the SLURM job: expected {total} ({flags}) started by srun, found python started alone"
                f" in a job of {found}. Try: srun python cli.py …, a job of one task, or, if this is no job,"
                " env -u SLURM_JOB_ID python cli.py …"
            )
        if self.per_node != [devices] * nodes:
            raise UsageError(
                f"tasks in the SLURM job: expected {total} ({flags}), found {found}."
                f" Try: --trainer.devices {max(self.per_node)} --trainer.num_nodes {len(self.per_node)}"
                f" --trainer.strategy ddp, or sbatch --nodes={nodes} --ntasks-per-node={devices}"
            )
        if total > 1 and not self.fixed:
            raise UsageError(
                f"tasks in the SLURM job: expected their number per node, found only --ntasks={total}."
                f" Try: sbatch --nodes={nodes} --ntasks-per-node={devices}"
            )


def tasks(environ: Mapping[str, str] = os.environ) -> Tasks:
    """The tasks of the step that this process belongs to, or of the job if it belongs to none."""
    by_srun = "SLURM_STEP_ID" in environ
    name = "SLURM_STEP_TASKS_PER_NODE" if by_srun else "SLURM_TASKS_PER_NODE"
    return Tasks(parse_counts(environ.get(name, "1"), name), by_srun, "SLURM_NTASKS_PER_NODE" in environ)


def parse_counts(counts: str, name: str = "SLURM_TASKS_PER_NODE") -> list[int]:
    """Reads SLURM's short form, `2(x3),1` for 2, 2, 2, 1.

    Raises:
        UsageError: it has another form, or stands for more nodes than SLURM knows.
    """
    found = re.findall(r"(\d{1,9})(?:\(x(\d{1,9})\))?(?:,|$)", counts)
    if not re.fullmatch(r"\d{1,9}(\(x\d{1,9}\))?(,\d{1,9}(\(x\d{1,9}\))?)*", counts) or (
        sum(int(times or 1) for _, times in found) > MOST_NODES
    ):
        raise UsageError(
            f"variable in {name}: expected tasks of at most {MOST_NODES:,} nodes, such as 2(x3),1,"
            f" found {format_value(counts)}. Try: env -u {name} python cli.py …"
        )
    return [int(count) for count, times in found for _ in range(int(times or 1))]
