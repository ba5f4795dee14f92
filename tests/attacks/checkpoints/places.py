"""Attacks by what lies, or is said to lie, where a checkpoint should: addresses, links, pipes, files of others."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from attacks.checkpoints.corpus import attack
from attacks.scene import Scene
from zoo.checkpoints.storage import serialised


def address(name: str) -> Callable[[Scene], None]:
    """Gives an address or a special word for the checkpoint."""

    def spoil(scene: Scene) -> None:
        scene.ckpt_path = scene.either(name.format(home=scene.home, thesis=scene.thesis), scene.ckpt_path)

    spoil.__name__ = f"the_address_{name.partition(':')[0]}"
    return spoil


for url in (
    *("http://127.0.0.1:9/x.ckpt", "https://127.0.0.1:9/x.ckpt", "s3://bucket/x.ckpt", "ftp://127.0.0.1/x.ckpt"),
    *("file://{thesis}", "memory://x.ckpt", "simplecache::http://127.0.0.1:9/x.ckpt", "dir::{home}"),
    *("best", "last", "hpc", "registry:model:version:1"),
):
    attack("alone")(address(url))


def replaced(path: Path, make: Callable[[Path], Any]) -> None:
    """Puts something else in the place of a file."""
    path.unlink(missing_ok=True)
    make(path)


@attack("test fit")
def a_checkpoint_that_is_a_link(scene: Scene) -> None:
    """Links last.ckpt to a file of the user's."""
    if scene.hostile:
        replaced(scene.run.last, lambda path: path.symlink_to(scene.thesis))


@attack("test")
def a_checkpoint_without_end(scene: Scene) -> None:
    """Links last.ckpt to a device that never ends."""
    if scene.hostile:
        replaced(scene.run.last, lambda path: path.symlink_to("/dev/zero"))


@attack("test fit")
def a_checkpoint_that_waits(scene: Scene) -> None:
    """Is a pipe, from which nothing ever comes."""
    if scene.hostile:
        replaced(scene.run.last, os.mkfifo)


@attack("alone")
def a_pipe_without_its_run(scene: Scene) -> None:
    """Is a pipe that is given as --ckpt_path."""
    if scene.hostile:
        replaced(scene.alone, os.mkfifo)


@attack("test")
def a_checkpoint_that_is_a_folder(scene: Scene) -> None:
    """Is a folder."""
    if scene.hostile:
        replaced(scene.run.last, Path.mkdir)


@attack("fit", inert=True)
def a_file_with_a_second_name(scene: Scene) -> None:
    """Gives files of the user's further names in the run folder: what is written into these would change those."""
    for path in (scene.run.last, scene.run.metrics, scene.run.figures / "curves.png"):
        path.parent.mkdir(exist_ok=True)
        own = scene.home / path.name
        own.write_bytes(path.read_bytes() if path.exists() else b"a picture")
        path.unlink(missing_ok=True)
        if scene.hostile:
            os.link(own, path)
        else:
            path.write_bytes(own.read_bytes())


@attack("fit")
def checkpoints_elsewhere(scene: Scene) -> None:
    """Links the folder of the checkpoints to the user's."""
    if scene.hostile:
        (scene.home / "last.ckpt").write_bytes(scene.run.last.read_bytes())
        scene.run.last.unlink()
        scene.run.checkpoints.rmdir()
        scene.run.checkpoints.symlink_to(scene.home)


@attack("fit predict")
def a_link_where_a_file_is_written_first(scene: Scene) -> None:
    """Links the names under which files are written before they are renamed."""
    for name in ("metrics.tmp", "predictions.tmp", "config.tmp", "result.tmp"):
        if scene.hostile:
            (scene.run.path / name).symlink_to(scene.thesis)


@attack("test")
def a_config_that_is_a_link(scene: Scene) -> None:
    """Links config.yaml to a device that never ends."""
    if scene.hostile:
        replaced(scene.run.config, lambda path: path.symlink_to("/dev/zero"))


@attack("test")
def a_config_that_waits(scene: Scene) -> None:
    """Has a pipe for config.yaml."""
    if scene.hostile:
        replaced(scene.run.config, os.mkfifo)


@attack("beside")
def a_config_that_writes_elsewhere(scene: Scene) -> None:
    """Names another run folder in config.yaml, where --ckpt_path alone would have the predictions written."""
    scene.configure(scene.either(f"run_dir: {scene.home}\n", ""))


@attack("fit")
def a_config_that_reads_elsewhere(scene: Scene) -> None:
    """Names an address for the checkpoint in config.yaml."""
    scene.configure(scene.either("ckpt_path: http://127.0.0.1:9/x.ckpt\n", ""))


@attack("fit")
def metrics_of_text(scene: Scene) -> None:
    """Has a metrics.csv without numbers."""
    if scene.hostile:
        scene.run.metrics.write_text("epoch,step\nfirst,second\n")


@attack("fit")
def metrics_without_steps(scene: Scene) -> None:
    """Has a metrics.csv of another program."""
    if scene.hostile:
        scene.run.metrics.write_text("a,b\n1,2\n")


@attack("fit", inert=True)
def a_checkpoint_of_a_cluster(scene: Scene) -> None:
    """Lays down a checkpoint by the name that Lightning looks for under SLURM, before any other."""
    scene.environment = {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "x", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    scene.environment |= {"SLURM_JOB_ID": "1", "SLURM_NODEID": "0", "SLURM_NODELIST": "localhost"}
    weights = {name: torch.ones_like(value) for name, value in scene.content["state_dict"].items()}
    scene.run.last.unlink()
    scene.flags = ["--resume", "auto"]
    if scene.hostile:
        (scene.run.path / "hpc_ckpt_9.ckpt").write_bytes(serialised({**scene.content, "state_dict": weights}))
