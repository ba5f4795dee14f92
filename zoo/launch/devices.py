"""Are the devices there that were asked for, and is there a process for each of them? Asked before a trainer is made.

    --trainer.accelerator, devices, num_nodes, strategy; torch; the launcher's variables  ->  nothing, or UsageError

Processes that wait for one that nobody has started wait for half an hour; processes that do not know of each other
train the same run at the same time, into the same folder. So every launcher's count is compared with the flags, and the
batch that they are to share with their number.
"""

import os
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only

from zoo.errors import MissingDevice, UsageError
from zoo.launch.slurm import in_job, tasks
from zoo.launch.start import forget_launchers, launcher

# strategies that Lightning knows by these first letters, and why none of them can work here
SHARDING = ("fsdp", "deepspeed", "model_parallel", "modelparallel")
FORKING = ("ddp_spawn", "ddp_fork", "ddp_notebook")
MOST_PROCESSES = 4  # for each core of a machine: more of them only wait for each other, and fill its memory


def check_devices(
    trainer: Mapping[str, Any], batch_size: int | None = None, environ: Mapping[str, str] = os.environ
) -> None:
    """Raises UsageError if the command cannot run as its flags say.

    Args:
        trainer: the flags of the trainer, with class paths where classes were named.
        batch_size: of all devices together; None if it is chosen to suit them.
        environ: the variables that launchers leave.
    """
    check_strategy(short_name(trainer["strategy"]))
    count = number_of_devices(short_name(trainer["accelerator"]), trainer["devices"])
    if count is None or type(trainer["num_nodes"]) is not int:  # Lightning has the message
        return
    if (
        trainer["sync_batchnorm"]
        and count * trainer["num_nodes"] > 1
        and not on_gpu(short_name(trainer["accelerator"]))
    ):
        raise UsageError(
            "batch normalisation in --trainer.sync_batchnorm: expected false on CPUs, where torch cannot do it, found"
            " true. Try: --trainer.sync_batchnorm false"
        )
    if not launcher(environ) and on_cpu(short_name(trainer["accelerator"])):
        check_cores(count)
    check_processes(count, trainer["num_nodes"], environ)
    if count * trainer["num_nodes"] == 1 and environ is os.environ and launcher(environ) not in ("torchrun", "srun"):
        forget_launchers(os.environ, alone=True)
        rank_zero_only.rank = 0  # type: ignore[attr-defined]
    check_shares(batch_size, count * trainer["num_nodes"])


def short_name(value: Any) -> str:
    """The name of a strategy or accelerator in lower case, whether it stands alone or is the last of a class path."""
    path = value["class_path"] if isinstance(value, dict) else value
    return str(path).rpartition(".")[2].lower()


def check_strategy(name: str) -> None:
    """Raises UsageError for a strategy that cannot work with these networks."""
    if name.startswith(SHARDING):
        raise UsageError(
            f"strategy in --trainer.strategy: expected auto or ddp, found {name}, which spreads one network over"
            " devices; these networks fit into any device many times. Try: --trainer.strategy ddp"
        )
    if name.startswith(FORKING):
        raise UsageError(
            f"strategy in --trainer.strategy: expected one that starts the command anew for each device, found {name},"
            " whose results end with its processes. Try: --trainer.strategy ddp"
        )


def on_gpu(accelerator: str) -> bool:
    """Whether this accelerator means NVIDIA's or AMD's GPUs here."""
    return accelerator in ("gpu", "cuda", "cudaaccelerator") or (accelerator == "auto" and torch.cuda.is_available())


def on_cpu(accelerator: str) -> bool:
    """Whether this accelerator means the processor here."""
    auto = accelerator == "auto" and not torch.backends.mps.is_available()
    return accelerator in ("cpu", "cpuaccelerator") or (auto and not torch.cuda.is_available())


def is_half_on_cpu(trainer: Mapping[str, Any]) -> bool:
    """Whether `16-mixed` is asked for where Lightning would compute in bf16-mixed instead.

    Args:
        trainer: the flags of the trainer, with class paths where classes were named.
    """
    return str(trainer["precision"]) in ("16", "16-mixed") and on_cpu(short_name(trainer["accelerator"]))


def check_cores(processes: int) -> None:
    """Raises MissingDevice for so many processes that they would bring this machine to a halt."""
    cores = os.cpu_count() or 1
    most = max(8, MOST_PROCESSES * cores)
    if processes > most:
        raise MissingDevice(
            f"devices in --trainer.devices: expected at most {most} processes on the {cores}"
            f" core{'s' * (cores > 1)} of this machine, found {processes}. Try: --trainer.devices {min(cores, most)}"
        )


def number_of_devices(accelerator: str, devices: Any) -> int | None:
    """Devices of each node that the flags ask for; None if only Lightning can tell.

    Raises:
        MissingDevice: fewer are there.
    """
    if accelerator in ("cpu", "cpuaccelerator") or (accelerator == "auto" and not on_gpu("auto")):
        return 1 if devices == "auto" else len(device_numbers(devices)) or None
    if not on_gpu(accelerator) or torch.backends.mps.is_available():
        return None
    there = torch.cuda.device_count()
    if there == 0:
        raise MissingDevice(
            f"device in --trainer.accelerator: expected one that is here, found {accelerator} and no GPU that torch can"
            " use. Try: --trainer.accelerator cpu"
        )
    if devices in ("auto", "-1", -1):
        return there
    wanted = device_numbers(devices)
    if wanted and max(wanted) >= there:
        hint = ", or under SLURM --gpus-per-node instead of --gpus-per-task" if in_job() else ""
        raise MissingDevice(
            f"devices in --trainer.devices: expected at most the {there} GPU{'s' * (there > 1)} that are here,"
            f" found {devices}. Try: --trainer.devices {there}{hint}"
        )
    return len(wanted) or None


def device_numbers(devices: Any) -> list[int]:
    """Which devices are meant: the first two by 2 and "2", those of these numbers by [0, 2] and "0,2"; or none."""
    if isinstance(devices, str) and "," in devices:
        devices = [part for part in devices.split(",") if part.strip()]
    try:
        return [int(number) for number in devices] if isinstance(devices, list) else list(range(int(devices)))
    except ValueError:
        return []


def check_shares(batch_size: int | None, devices: int) -> None:
    """Raises UsageError unless each of the devices gets as many images of a batch as the others."""
    if batch_size and batch_size % devices:
        below = batch_size // devices * devices
        nearest = f"{below} or {below + devices}" if below else devices
        raise UsageError(
            f"global batch size in --data.batch_size: expected a multiple of the {devices} devices, found {batch_size}."
            f" Try: --data.batch_size {nearest}"
        )


def check_processes(devices: int, nodes: int, environ: Mapping[str, str]) -> None:
    """Raises UsageError unless the launcher has started as many processes as there are devices, or none has."""
    flags = f"--trainer.devices {devices} × --trainer.num_nodes {nodes}"
    if "TORCHELASTIC_RUN_ID" in environ:
        found = int(environ.get("WORLD_SIZE", "1"))
        if found != devices * nodes:
            per_node = int(environ.get("LOCAL_WORLD_SIZE", found))
            raise UsageError(
                f"processes in --trainer.devices: expected {devices * nodes} ({flags}), found {found} that torchrun has"
                f" started. Try: --trainer.devices {per_node} --trainer.num_nodes {max(1, found // per_node)}"
                " --trainer.strategy ddp, or, if it has not started this, env -u TORCHELASTIC_RUN_ID python cli.py …"
            )
    elif devices * nodes == 1 and launcher(environ) == "jsrun" and environ["JSM_NAMESPACE_SIZE"] != "1":
        raise UsageError(
            f"processes in --trainer.devices: expected 1, found {environ['JSM_NAMESPACE_SIZE']} that jsrun has started."
            " Try: --trainer.devices N --trainer.strategy ddp, or env -u JSM_NAMESPACE_SIZE python cli.py …"
        )
    elif in_job(environ):
        tasks(environ).check(devices, nodes)
    elif nodes > 1 and "NODE_RANK" not in environ:
        raise UsageError(
            f"nodes in --trainer.num_nodes: expected 1 without a launcher that starts the command on the others, found"
            f" {nodes}. Try: torchrun --nnodes {nodes} --nproc_per_node {devices} cli.py, or srun (docs/cluster.md)"
        )
    elif devices * nodes > 1 and launcher(environ) == "hand":
        for name, most, flag in (("LOCAL_RANK", devices, "devices"), ("NODE_RANK", nodes, "num_nodes")):
            if int(environ.get(name, 0)) >= most:
                rank_zero_only.rank = 0  # type: ignore[attr-defined]  # nobody else would say it
                raise UsageError(
                    f"variable in {name}: expected less than {most} (--trainer.{flag}), found {environ[name][:20]}."
                    f" Try: env -u {name} python cli.py …"
                )
