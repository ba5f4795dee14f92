"""The corpus: checkpoints and run folders that try to run code, touch other files, fill the memory, hang, or lie.

Each function is one attack and says what it tries. `ATTACKS` has them with the verbs that meet them; those marked as
inert hold nothing that the commands use, and must give the same result as their twins.
"""

import builtins
import functools
import importlib
import io
import os
import pickle
import runpy
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from attacks.scene import MODULE, Scene, rewritten, summed, zipped
from zoo.runs.checkpoints import COMMENT, serialised

LARGE = 2**31  # bytes, of what a few bytes are to become


class Attack(NamedTuple):
    """A function that spoils a scene, the verbs that meet it, and whether they are to go on as if nothing was there."""

    spoil: Callable[[Scene], None]
    verbs: tuple[str, ...]
    inert: bool

    @property
    def name(self) -> str:
        return self.spoil.__name__


ATTACKS: list[Attack] = []


def attack(verbs: str, inert: bool = False) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Puts an attack into the corpus."""

    def listed(spoil: Callable[[Scene], None]) -> Callable[[Scene], None]:
        ATTACKS.append(Attack(spoil, tuple(verbs.split()), inert))
        return spoil

    return listed


class Call:
    """Is pickled as a call of a function."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.function = functools.partial(function, **kwargs) if kwargs else function
        self.args = args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.args


def text(value: str) -> bytes:
    """The instruction that makes a string."""
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def put(place: int) -> bytes:
    """The instruction that remembers a value."""
    return b"r" + (10**6 + place).to_bytes(4, "little")


def get(place: int) -> bytes:
    """The instruction that brings it back."""
    return b"j" + (10**6 + place).to_bytes(4, "little")


# code in the pickle


@attack("test fit load")
def os_system_as_a_weight(scene: Scene) -> None:
    """Runs os.system where a weight is unpickled."""
    weights = scene.content["state_dict"]
    weights["net.1.bias"] = scene.either(Call(os.system, f"touch {scene.canary}"), weights["net.1.bias"])
    scene.save()


@attack("test")
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


@attack("test")
def import_of_a_module(scene: Scene) -> None:
    """Imports a module that lies on sys.path."""
    scene.content["planted"] = scene.either(Call(importlib.import_module, MODULE), 1)
    scene.save()


@attack("test")
def a_class_of_a_module(scene: Scene) -> None:
    """Names a class in such a module, without calling it."""
    scene.plant(f"c{MODULE}\nThing\n".encode())


@attack("test")
def a_chain_of_getattr(scene: Scene) -> None:
    """Finds os.system through the attributes of something harmless."""
    module = b"cbuiltins\ngetattr\n(ctorch.serialization\nos\n" + text("system") + b"tR"
    scene.plant(module + b"(" + text(f"touch {scene.canary}") + b"tR")


@attack("test")
def torch_load_of_a_second_file(scene: Scene) -> None:
    """Calls torch.load with weights_only=False on a pickle beside it."""
    second = scene.run.path / "second.pt"
    second.write_bytes(pickle.dumps(Call(os.system, f"touch {scene.canary}")))
    scene.content["planted"] = scene.either(Call(torch.load, str(second), weights_only=False), 1)
    scene.save()


@attack("test")
def torch_hub(scene: Scene) -> None:
    """Lets torch.hub run a hubconf.py beside it."""
    (scene.run.path / "hubconf.py").write_text(f"open({str(scene.canary)!r}, 'w')\n")
    scene.content["planted"] = scene.either(Call(torch.hub.list, str(scene.run.path), source="local"), 1)
    scene.save()


@attack("test")
def run_path(scene: Scene) -> None:
    """Lets runpy run a script beside it."""
    script = scene.run.path / "script.py"
    script.write_text(f"open({str(scene.canary)!r}, 'w')\n")
    scene.content["planted"] = scene.either(Call(runpy.run_path, str(script)), 1)
    scene.save()


@attack("test")
def inst(scene: Scene) -> None:
    """Calls with INST, of protocol 0."""
    scene.plant(b"(" + text(f"touch {scene.canary}") + b"ios\nsystem\n")


@attack("test")
def obj(scene: Scene) -> None:
    """Calls with OBJ, of protocol 1."""
    scene.plant(b"(cos\nsystem\n" + text(f"touch {scene.canary}") + b"o")


@attack("test")
def newobj(scene: Scene) -> None:
    """Makes a Popen with NEWOBJ, of protocol 2, and its state with BUILD."""
    scene.plant(b"csubprocess\nPopen\n)\x81}" + text("args") + text(f"touch {scene.canary}") + b"sb")


@attack("test")
def stack_global(scene: Scene) -> None:
    """Calls what STACK_GLOBAL of protocol 4 names."""
    name = b"\x8c\x02os\x8c\x06system\x93"
    scene.plant(name + text(f"touch {scene.canary}") + b"\x85R")


@attack("test")
def an_extension_code(scene: Scene) -> None:
    """Takes a function from copyreg's registry of codes."""
    scene.plant(b"\x82\x01(tR")


@attack("test")
def a_module_as_persistent_id(scene: Scene) -> None:
    """Gives torch the persistent id of a module with its source, which it once took from pickles."""
    scene.plant(b"(" + text("module") + f"c{MODULE}\nThing\n".encode() + text("x.py") + text("x = 1") + b"tQ")


@attack("test")
def a_tensor_with_a_state(scene: Scene) -> None:
    """Sets attributes of a tensor through a function that torch allows: `numel` becomes something else."""
    weights = scene.content["state_dict"]
    if scene.hostile:
        weights["net.1.bias"].numel = 5
    scene.save()


@attack("test")
def a_pickle_without_an_archive(scene: Scene) -> None:
    """Is a plain pickle of the newest protocol under the name of a checkpoint."""
    made = pickle.dumps(Call(os.system, f"touch {scene.canary}"), protocol=5)
    scene.write(scene.either(made, scene.honest))


@attack("test")
def a_pickle_of_protocol_0(scene: Scene) -> None:
    """Is a plain pickle of the oldest protocol."""
    made = pickle.dumps(Call(os.system, f"touch {scene.canary}"), protocol=0)
    scene.write(scene.either(made, scene.honest))


@attack("test")
def a_legacy_file(scene: Scene) -> None:
    """Is a file of torch before 1.6: several pickles in a row."""
    out = io.BytesIO()
    torch.save(
        {**scene.content, "x": Call(os.system, f"touch {scene.canary}")}, out, _use_new_zipfile_serialization=False
    )
    scene.write(scene.either(out.getvalue(), scene.honest))


@attack("test")
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


# memory and time


@attack("test")
def a_bytearray_of_gigabytes(scene: Scene) -> None:
    """Calls bytearray with a number, which torch allows."""
    scene.plant(b"cbuiltins\nbytearray\nJ" + (LARGE - 1).to_bytes(4, "little") + b"\x85R")


@attack("test")
def a_storage_of_gigabytes(scene: Scene) -> None:
    """Calls the constructor of a storage, which torch allows."""
    scene.plant(b"ctorch.storage\nUntypedStorage\n\x8a\x05" + (2 * LARGE).to_bytes(5, "little") + b"\x85R")


@attack("test")
def a_list_copied_often(scene: Scene) -> None:
    """Makes an ordered dict of one long list of pairs, again and again."""
    pairs = b"](" + b"".join(b"J" + i.to_bytes(4, "little") + b"N\x86" for i in range(20_000)) + b"e"
    start = b"(" + pairs + put(1) + b"ccollections\nOrderedDict\n" + put(2)
    scene.plant(start + (get(2) + get(1) + b"\x85R") * 1000 + b"t")


@attack("test")
def a_string_encoded_often(scene: Scene) -> None:
    """Encodes one long string, again and again."""
    start = b"(" + text("x" * 10**6) + put(1) + text("utf8") + put(2) + b"c_codecs\nencode\n" + put(3)
    scene.plant(start + (get(3) + get(1) + get(2) + b"\x86R") * 2000 + b"t")


@attack("test")
def attributes_copied_often(scene: Scene) -> None:
    """Gives many ordered dicts the same long dict of attributes."""
    items = b"".join(b"J" + i.to_bytes(4, "little") + b"N" for i in range(20_000))
    start = b"(}" + put(1) + b"(" + items + b"uccollections\nOrderedDict\n" + put(2)
    scene.plant(start + (get(2) + b")R" + get(1) + b"b") * 3000 + b"t")


@attack("test")
def a_shape_of_many_axes(scene: Scene) -> None:
    """Makes many tensors that share one shape of very many axes."""
    numel = scene.content["state_dict"]["net.1.weight"].numel()
    storage = text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"J" + numel.to_bytes(4, "little")
    start = b"((" + storage + b"tQ" + put(1) + b"(" + b"K\x01" * 100_000 + b"t" + put(2)
    start += b"ccollections\nOrderedDict\n)R" + put(3) + b"ctorch._utils\n_rebuild_tensor_v2\n" + put(4)
    tensor = get(4) + b"(" + get(1) + b"K\x00" + get(2) + get(2) + b"\x89" + get(3) + b"tR"
    scene.plant(start + tensor * 1500 + b"t")


@attack("test")
def lists_that_double(scene: Scene) -> None:
    """Nests fifty lists, each of which has the one before twice: two to the fifty when printed."""
    value: list[Any] = [1]
    for _ in range(45):
        value = [value, value]
    scene.content["hyper_parameters"]["in_shape"] = scene.either(value, (1, 28, 28))
    scene.content["state_dict"]["net.9.weight"] = torch.zeros(1)  # so that the message would print it
    if not scene.hostile:
        del scene.content["state_dict"]["net.9.weight"]
    scene.save()


@attack("fit")
def a_list_in_itself(scene: Scene) -> None:
    """Has no end."""
    value: list[Any] = []
    value.append(value)
    scene.content["hyper_parameters"]["optimizer"]["init_args"]["lr"] = scene.either(value, 0.001)
    scene.save()


@attack("test")
def a_thousand_floors(scene: Scene) -> None:
    """Nests more lists than Python can go into."""
    scene.plant(b"]" * 100_000 + b"a" * 99_999)


@attack("test")
def keys_that_collide(scene: Scene) -> None:
    """Fills a dict with whole numbers that all have the same hash: a quadratic time."""
    numbers = ((i * (2**61 - 1)).to_bytes(12, "little") for i in range(1, 100_000))
    scene.plant(b"}(" + b"".join(b"\x8a\x0c" + number + b"N" for number in numbers) + b"u")


@attack("test")
def a_number_of_too_many_digits(scene: Scene) -> None:
    """Has a number of classes that Python refuses to print."""
    scene.plant(b"\x8b" + (3000).to_bytes(4, "little") + b"\x7f" * 3000)


@attack("unlabelled")
def an_absurd_number_of_classes(scene: Scene) -> None:
    """Says that there are more classes than names for them fit into the memory."""
    path = scene.run.path / "own.npz"
    np.savez(path, test_images=np.zeros((2, 28, 28), np.uint8))
    scene.flags = ["--data", "Arrays", "--data.path", str(path), "--data.normalize", "unit"]
    scene.content["hyper_parameters"]["num_classes"] = scene.either(10**9, 10)
    scene.save()


@attack("test")
def a_deflated_member(scene: Scene) -> None:
    """Holds gigabytes of zeros as a few megabytes, which torch would inflate."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(scene.honest)) as honest, zipfile.ZipFile(out, "w") as archive:
        for name in honest.namelist():
            archive.writestr(name, honest.read(name))
        if scene.hostile:
            with archive.open(zipfile.ZipInfo("archive/data/99"), "w", force_zip64=True) as member:
                member.write(b"0")
            deflated = zipfile.ZipInfo("archive/data/98")
            deflated.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(deflated, bytes(2**26), compresslevel=9)
    scene.write(summed(out.getvalue()))


@attack("test")
def members_that_overlap(scene: Scene) -> None:
    """Lists the same bytes under thousands of names."""

    def overlap(archive: zipfile.ZipFile) -> None:
        first = archive.getinfo("archive/data/0")
        for i in range(scene.either(5000, 0)):
            again = zipfile.ZipInfo(f"archive/data/{100 + i}")
            again.header_offset, again.file_size, again.compress_size, again.CRC = (
                *(first.header_offset, first.file_size, first.compress_size),
                first.CRC,
            )
            archive.filelist.append(again)

    scene.write(zipped(members_of(scene.honest), overlap))


@attack("test")
def a_hundred_thousand_members(scene: Scene) -> None:
    """Has so many empty members that their list fills the memory."""
    extra = {f"archive/data/{100 + i}": b"" for i in range(scene.either(25_000, 1))}
    scene.write(zipped({**members_of(scene.honest), **extra}))


# the archive


def members_of(raw: bytes) -> dict[str, bytes]:
    """The members of an archive."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def hostile_pickle(scene: Scene) -> bytes:
    """A pickle that torch would carry out as far as it allows: gigabytes."""
    return b"\x80\x02cbuiltins\nbytearray\nJ" + (LARGE - 1).to_bytes(4, "little") + b"\x85R."


@attack("test")
def two_pickles_of_one_name(scene: Scene) -> None:
    """Has a hostile and a benign data.pkl; which of them is read depends on the reader."""
    members = members_of(scene.honest)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        if scene.hostile:
            archive.writestr("archive/data.pkl", hostile_pickle(scene))
        for name, content in members.items():
            archive.writestr(name, content)
    scene.write(summed(out.getvalue()))


@attack("test")
def a_pickle_in_capitals(scene: Scene) -> None:
    """Calls the hostile one DATA.PKL: torch's reader does not mind, a check by name does."""
    members = members_of(scene.honest)
    scene.write(zipped({**scene.either({"archive/DATA.PKL": hostile_pickle(scene)}, {}), **members}))


@attack("test", inert=True)
def two_archives_in_a_row(scene: Scene) -> None:
    """Puts an archive before the archive: offsets can be counted from either start."""
    first = zipped({"archive/data.pkl": hostile_pickle(scene)})
    scene.write(summed(scene.either(first, b"") + scene.honest[:-COMMENT]))


@attack("test")
def a_member_outside(scene: Scene) -> None:
    """Has a member whose name leads out of the folder."""
    scene.write(zipped({**members_of(scene.honest), **scene.either({"../../home/canary": b"x"}, {})}))


@attack("test")
def an_absolute_member(scene: Scene) -> None:
    """Has a member with the name of a file of the user's."""
    scene.write(zipped({**members_of(scene.honest), **scene.either({str(scene.thesis): b"x"}, {})}))


@attack("test")
def sizes_that_lie(scene: Scene) -> None:
    """Says that a member is far longer than the file."""

    def lie(archive: zipfile.ZipFile) -> None:
        if scene.hostile:
            member = archive.getinfo("archive/data/0")
            member.file_size = member.compress_size = LARGE

    scene.write(zipped(members_of(scene.honest), lie))


@attack("test")
def an_encrypted_member(scene: Scene) -> None:
    """Says that a member is encrypted."""

    def lock(archive: zipfile.ZipFile) -> None:
        if scene.hostile:
            archive.getinfo("archive/data/0").flag_bits |= 1

    scene.write(zipped(members_of(scene.honest), lock))


@attack("test")
def a_script_of_torch(scene: Scene) -> None:
    """Looks like TorchScript, which holds code."""
    scene.write(zipped({**members_of(scene.honest), **scene.either({"archive/constants.pkl": b"\x80\x02)."}, {})}))


# tensors


def weight(scene: Scene, change: Callable[[torch.Tensor], Any], name: str = "net.1.weight") -> None:
    """Changes one weight."""
    weights = scene.content["state_dict"]
    weights[name] = change(weights[name]) if scene.hostile else weights[name]
    scene.save()


@attack("test")
def a_storage_shorter_than_it_says(scene: Scene) -> None:
    """Cuts the bytes of a weight: what follows in memory would be read as weights."""

    def cut(members: dict[str, bytes]) -> None:
        members["archive/data/0"] = members["archive/data/0"][: scene.either(16)]

    scene.write(rewritten(scene.honest, cut))


@attack("test")
def a_tensor_without_strides(scene: Scene) -> None:
    """Stores one number for a whole weight: a large network as a small file."""
    weight(scene, lambda value: torch.zeros(1).expand(value.shape))


@attack("test")
def terabytes_of_one_number(scene: Scene) -> None:
    """Has a tensor of a trillion numbers that are all the same one."""
    scene.content["planted"] = scene.either(torch.zeros(1).expand(10**6, 10**6), 1)
    scene.save()


@attack("test")
def strides_that_overlap(scene: Scene) -> None:
    """Has rows that share their numbers, in a storage that is long enough."""
    weight(scene, lambda value: torch.zeros(value.numel()).as_strided(value.shape, (1, 1)))


@attack("test")
def an_offset_beyond_the_storage(scene: Scene) -> None:
    """Begins a tensor behind the end of its bytes."""
    bias = scene.content["state_dict"]["net.1.bias"]
    marked = text("net.1.bias")

    def shift(members: dict[str, bytes]) -> None:
        head, middle, rest = members["archive/data.pkl"].partition(marked)
        at = rest.index(b"QK\x00") + 1
        members["archive/data.pkl"] = head + middle + rest[:at] + b"K\xff" + rest[at + 2 :]

    assert bias.storage_offset() == 0
    scene.write(rewritten(scene.honest, shift if scene.hostile else lambda members: None))


@attack("test")
def strides_that_go_back(scene: Scene) -> None:
    """Has a negative stride: before the beginning of its bytes."""

    def back(members: dict[str, bytes]) -> None:
        head, middle, rest = members["archive/data.pkl"].partition(text("net.1.bias"))
        at = rest.index(b"K\x01\x85") if b"K\x01\x85" in rest else rest.index(b"K\x01")
        members["archive/data.pkl"] = head + middle + rest[:at] + b"J\xff\xff\xff\xff" + rest[at + 2 :]

    scene.write(rewritten(scene.honest, back if scene.hostile else lambda members: None))


@attack("test")
def a_sparse_tensor(scene: Scene) -> None:
    """Has a weight of indices and values."""
    weight(scene, lambda value: value.to_sparse())


@attack("test")
def a_tensor_of_no_device(scene: Scene) -> None:
    """Has a weight without any numbers."""
    weight(scene, lambda value: value.to("meta"))


@attack("test")
def a_quantised_tensor(scene: Scene) -> None:
    """Has a weight of eight bits with a scale."""
    weight(scene, lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8))


@attack("test")
def a_complex_weight(scene: Scene) -> None:
    """Has complex numbers, of which torch would drop a half with a warning."""
    weight(scene, lambda value: value.to(torch.complex64))


@attack("test")
def a_weight_of_whole_numbers(scene: Scene) -> None:
    """Has small whole numbers, which torch would take without a word."""
    weight(scene, lambda value: value.to(torch.int8))


@attack("test")
def weights_that_are_no_numbers(scene: Scene) -> None:
    """Has nan in a weight: every prediction is the first class."""
    weight(scene, lambda value: value * float("nan"))


@attack("test fit")
def a_weight_of_another_shape(scene: Scene) -> None:
    """Has a transposed weight."""
    weight(scene, lambda value: value.t().contiguous())


@attack("test")
def a_missing_weight(scene: Scene) -> None:
    """Leaves out a weight, which would stay random."""
    if scene.hostile:
        del scene.content["state_dict"]["net.1.bias"]
    scene.save()


@attack("test")
def a_weight_too_many(scene: Scene) -> None:
    """Adds a weight whose name tells the terminal to clear itself and begins a second line."""
    if scene.hostile:
        scene.content["state_dict"]["\x1b[2J\nTraceback: all is well"] = torch.zeros(1)
    scene.save()


@attack("test")
def weights_without_names(scene: Scene) -> None:
    """Numbers its weights."""
    weights = scene.content["state_dict"]
    scene.content["state_dict"] = scene.either(dict(enumerate(weights.values())), weights)
    scene.save()


@attack("test")
def a_tensor_of_another_class(scene: Scene) -> None:
    """Has a parameter with hooks for the backward pass."""

    def hooked(value: torch.Tensor) -> torch.Tensor:
        parameter = nn.Parameter(value)
        parameter.note = "x"  # type: ignore[attr-defined]
        return parameter

    weight(scene, hooked)


# settings of the model


@attack("test", inert=True)
def an_instantiator(scene: Scene) -> None:
    """Names a function that Lightning once imported and called; the command calls none."""
    scene.content["hyper_parameters"]["_instantiator"] = scene.either(f"{MODULE}.thing", "zoo")
    scene.save()


def setting(scene: Scene, name: str, value: Any) -> None:
    """Changes a setting of the model."""
    settings = scene.content["hyper_parameters"]
    settings[name] = scene.either(value, settings[name])
    scene.save()


@attack("load")
def a_foreign_instantiator(scene: Scene) -> None:
    """Names a function of another module to build the model with."""
    setting(scene, "_instantiator", f"{MODULE}.thing")


@attack("load")
def a_list_of_instantiators(scene: Scene) -> None:
    """Names it in a list, past a check for strings."""
    setting(scene, "_instantiator", [f"{MODULE}.thing"])


@attack("load")
def a_foreign_class(scene: Scene) -> None:
    """Names a class of another module for the model."""
    setting(scene, "_class_path", f"{MODULE}.Thing")


@attack("load")
def a_foreign_optimiser(scene: Scene) -> None:
    """Names a class of another module for the optimiser, which the parser would import."""
    setting(scene, "optimizer", {"class_path": f"{MODULE}.Thing", "init_args": {}})


@attack("load")
def an_activation_by_its_path(scene: Scene) -> None:
    """Names a function of another module without saying `class_path`."""
    setting(scene, "activation", f"{MODULE}.thing")


@attack("load")
def a_process_for_an_activation(scene: Scene) -> None:
    """Has a process started for each layer."""
    setting(scene, "activation", {"class_path": "subprocess.Popen", "init_args": {"args": [f"touch {scene.canary}"]}})


@attack("load")
def yaml_in_a_text(scene: Scene) -> None:
    """Writes the class of a schedule as a line of yaml, which the parser would read."""
    setting(scene, "schedule", f"class_path: {MODULE}.Thing")


@attack("test load")
def settings_that_are_no_dict(scene: Scene) -> None:
    """Has a list for the settings."""
    scene.content["hyper_parameters"] = scene.either(["x"], scene.content["hyper_parameters"])
    scene.save()


@attack("test")
def tensors_for_settings(scene: Scene) -> None:
    """Has tensors where numbers are compared."""
    setting(scene, "optimizer", {"class_path": torch.zeros(3)})


# what is not a file


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


# states of the training


def state(*keys: Any) -> Callable[[Scene, Any], None]:
    """A place in the content, to be changed."""

    def change(scene: Scene, value: Any) -> None:
        at = scene.content
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = scene.either(value, at[keys[-1]])
        scene.save()

    return change


MOMENTS = ("optimizer_states", 0, "state", 0)
GROUP = ("optimizer_states", 0, "param_groups", 0)
FIT_LOOP = ("loops", "fit_loop")


@attack("fit")
def moments_too_short(scene: Scene) -> None:
    """Has one number where the fused optimiser writes thousands: beyond the end, into the process."""
    state(*MOMENTS, "exp_avg")(scene, torch.zeros(1))


@attack("fit")
def moments_at_the_end_of_their_storage(scene: Scene) -> None:
    """Has the right shape, but begins at the last number of its storage."""
    shape = scene.content["optimizer_states"][0]["state"][0]["exp_avg"].shape
    state(*MOMENTS, "exp_avg")(scene, torch.zeros(shape.numel()).as_strided(shape, (0, 0), shape.numel() - 1))


@attack("fit")
def moments_in_another_order(scene: Scene) -> None:
    """Has its numbers by column, where the fused optimiser goes by row."""
    shape = scene.content["optimizer_states"][0]["state"][0]["exp_avg"].shape
    state(*MOMENTS, "exp_avg")(scene, torch.rand(shape[::-1]).t())


@attack("fit")
def moments_that_share_their_memory(scene: Scene) -> None:
    """Has one tensor for both averages, which would be written twice a step."""
    state(*MOMENTS, "exp_avg")(scene, scene.content["optimizer_states"][0]["state"][0]["exp_avg_sq"])


@attack("fit")
def moments_of_text(scene: Scene) -> None:
    """Has a text for a tensor."""
    state(*MOMENTS, "exp_avg")(scene, "none")


@attack("fit")
def moments_that_are_no_numbers(scene: Scene) -> None:
    """Has nan in an average: the weights would be lost at the first step."""
    state(*MOMENTS, "exp_avg_sq")(scene, scene.content["optimizer_states"][0]["state"][0]["exp_avg_sq"] * float("nan"))


@attack("fit")
def no_moments(scene: Scene) -> None:
    """Leaves out all averages: the optimiser would begin anew without a word."""
    state("optimizer_states", 0, "state")(scene, {})


@attack("fit")
def a_learning_rate_of_text(scene: Scene) -> None:
    """Has a text for the learning rate."""
    state(*GROUP, "lr")(scene, "0.1")


@attack("fit")
def a_learning_rate_of_nan(scene: Scene) -> None:
    """Has no number for the learning rate."""
    state(*GROUP, "lr")(scene, float("nan"))


@attack("fit")
def an_optimiser_that_climbs(scene: Scene) -> None:
    """Turns a switch: the loss would be maximised, though all settings say otherwise."""
    state(*GROUP, "maximize")(scene, True)


@attack("fit")
def a_setting_too_many(scene: Scene) -> None:
    """Adds a setting with the name of a method."""
    if scene.hostile:
        scene.content["optimizer_states"][0]["param_groups"][0]["step"] = 1
    scene.save()


@attack("fit")
def parameters_in_another_order(scene: Scene) -> None:
    """Gives each parameter the averages of another."""
    state(*GROUP, "params")(scene, [1, 0, 3, 2])


@attack("fit")
def no_schedule(scene: Scene) -> None:
    """Leaves out the schedule: it would begin anew without a word."""
    state("lr_schedulers")(scene, [])


@attack("fit")
def a_schedule_with_another_step(scene: Scene) -> None:
    """Overwrites a method of the schedule, as torch sets any attribute that it finds."""
    if scene.hostile:
        scene.content["lr_schedulers"][0]["step"] = "x"
    scene.save()


@attack("fit")
def a_schedule_of_text(scene: Scene) -> None:
    """Has a text for the number of steps."""
    state("lr_schedulers", 0, "last_epoch")(scene, "1")


@attack("fit")
def counters_of_text(scene: Scene) -> None:
    """Has a text for the number of batches."""
    state(*FIT_LOOP, "epoch_loop.batch_progress", "current", "ready")(scene, "2")


@attack("fit")
def counters_below_nothing(scene: Scene) -> None:
    """Has a negative number of epochs: the training would go on for longer than was asked for."""
    state(*FIT_LOOP, "epoch_progress", "current", "completed")(scene, -1000)


@attack("fit")
def counters_beyond_the_end(scene: Scene) -> None:
    """Has had more epochs than were asked for."""
    state(*FIT_LOOP, "epoch_progress", "current", "completed")(scene, 10**12)


@attack("fit")
def a_counter_with_another_method(scene: Scene) -> None:
    """Overwrites a method that is called at the end of the epoch, when all seems well."""
    if scene.hostile:
        scene.content["loops"]["fit_loop"]["epoch_progress"]["increment_completed"] = 0
        scene.content["loops"]["fit_loop"]["epoch_progress"]["current"]["reset"] = 0
    scene.save()


@attack("fit")
def no_counters(scene: Scene) -> None:
    """Leaves out the counters: trained weights would begin at the first epoch."""
    if scene.hostile:
        del scene.content["loops"]
    scene.save()


@attack("fit", inert=True)
def a_loader_at_a_text(scene: Scene) -> None:
    """Has a text for the place in the epoch, of which nothing is taken up when the epoch is over."""
    state(*FIT_LOOP, "state_dict")(scene, {"combined_loader": [{"position": "%d"}]})


@attack("test predict")
def an_evaluation_half_done(scene: Scene) -> None:
    """Overwrites a counter's method in the loops of test and prediction."""
    for name in ("test_loop", "predict_loop"):
        if scene.hostile:
            scene.content["loops"][name]["batch_progress"]["current"]["reset"] = 0
    scene.save()


@attack("predict", inert=True)
def a_prediction_almost_done(scene: Scene) -> None:
    """Says that all images but the last have been predicted."""
    progress = scene.content["loops"]["predict_loop"]["batch_progress"]
    for counts in (progress["current"], progress["total"]):
        counts.update(dict.fromkeys(counts, scene.either(1, 0)))
    scene.save()


@attack("fit")
def seconds_of_text(scene: Scene) -> None:
    """Has a text for the seconds, which fails at the end of the epoch."""
    state("callbacks", "EpochLines", "seconds")(scene, "1")


@attack("fit")
def the_best_of_text(scene: Scene) -> None:
    """Has a text for the best accuracy."""
    state("callbacks", "KeepBest", "accuracy")(scene, "high")


@attack("fit")
def the_best_beyond_all(scene: Scene) -> None:
    """Has a best accuracy that is never beaten, so that the last weights would pass for the best."""
    state("callbacks", "KeepBest", "accuracy")(scene, 2.0)


@attack("fit")
def patience_of_text(scene: Scene) -> None:
    """Has a text for the patience of a callback of Lightning's, which fails at the first validation."""
    scene.add_callback("EarlyStopping", monitor="val/loss", patience=3)
    early = "EarlyStopping{'monitor': 'val/loss', 'mode': 'min'}"
    numbers = {"wait_count": 0, "stopped_epoch": 0, "best_score": torch.tensor(9.0), "patience": 3}
    rest = {"stopping_reason": 0, "stopping_reason_message": None}
    scene.content["callbacks"][early] = {**numbers, **rest, "patience": scene.either("x", 3)}
    scene.save()


def checkpoints_of_lightning(scene: Scene, folder: Path, best: str) -> None:
    """A run with Lightning's ModelCheckpoint, which deletes the file that its state calls the best so far."""
    key = {"monitor": None, "mode": "min", "every_n_train_steps": 0, "every_n_epochs": 1, "train_time_interval": None}
    scene.add_callback("ModelCheckpoint", dirpath=folder)
    names = ("best_model_path", "kth_best_model_path", "last_model_path")
    scene.content["callbacks"][f"ModelCheckpoint{key!r}"] = {
        **{
            "monitor": None,
            "best_model_score": None,
            "current_score": None,
            "dirpath": str(folder),
            "kth_value": torch.tensor(1.0),
        },
        **dict.fromkeys(names, scene.either(best, "")),
        "best_k_models": {scene.either(best, "x"): torch.tensor(1.0)} if scene.hostile else {},
    }
    scene.save()


@attack("fit", inert=True)
def a_file_to_delete(scene: Scene) -> None:
    """Names a file of the user's as the best checkpoint so far, in a folder that config.yaml names."""
    (scene.run.path / "kept").mkdir()
    (scene.run.path / "kept" / "thesis").symlink_to(scene.home)
    checkpoints_of_lightning(scene, scene.run.path / "kept", str(scene.run.path / "kept" / "thesis" / "thesis.ckpt"))


@attack("fit", inert=True)
def a_folder_to_delete(scene: Scene) -> None:
    """Names a whole folder of the run as the best checkpoint so far; Lightning deletes with all that is inside."""
    kept = scene.run.path / "kept"
    (kept / "notes").mkdir(parents=True)
    (kept / "notes" / "thesis.txt").write_text("the work of a year")
    checkpoints_of_lightning(scene, kept, str(kept / "notes"))


@attack("fit")
def a_way_out_of_the_folder(scene: Scene) -> None:
    """Names that file by a path that begins in the folder."""
    checkpoints_of_lightning(scene, scene.run.path / "kept", str(scene.run.path / "kept" / ".." / ".." / "home"))


@attack("fit")
def an_address_to_delete(scene: Scene) -> None:
    """Names it by an address, under which Lightning deletes without a look at the folder."""
    checkpoints_of_lightning(scene, scene.run.path / "kept", f"dir::{scene.home}")


@attack("fit")
def a_plugin_of_its_own(scene: Scene) -> None:
    """Asks in config.yaml for Lightning's way to read and delete checkpoints in place of the zoo's."""
    text = scene.run.config.read_text()
    plugin = "plugins:\n  - class_path: lightning.pytorch.plugins.io.TorchCheckpointIO"
    scene.run.config.write_text(text.replace("plugins: null", scene.either(plugin, "plugins: null")))


@attack("test")
def statistics_of_another_shape(scene: Scene) -> None:
    """Has two means for one channel."""
    state("Digits", "mean")(scene, [0.1, 0.2])


@attack("test")
def a_deviation_of_nothing(scene: Scene) -> None:
    """Has a standard deviation of 0: every pixel becomes infinite."""
    state("Digits", "std")(scene, [0.0])


@attack("test")
def statistics_of_text(scene: Scene) -> None:
    """Has a text for the mean."""
    state("Digits", "mean")(scene, "0.1")


@attack("fit")
def a_batch_size_of_text(scene: Scene) -> None:
    """Has a text for the size of a batch."""
    state("Digits", "batch_size")(scene, "32\nTraceback")


@attack("fit")
def a_tally_of_other_classes(scene: Scene) -> None:
    """Has counts of three classes for an epoch that goes on with ten."""
    if scene.hostile:
        scene.content["tally"] = {"confusion": torch.zeros(1, 9, dtype=torch.int64), "loss": torch.zeros(1)}
    scene.save()


@attack("fit")
def a_tally_of_text(scene: Scene) -> None:
    """Has a text for the counts."""
    if scene.hostile:
        scene.content["tally"] = {"confusion": "x", "loss": "y"}
    scene.save()


@attack("fit")
def a_row_without_a_step(scene: Scene) -> None:
    """Has results of the last epoch that belong to no step."""
    if scene.hostile:
        del scene.content["row"]["step"]
    scene.save()


@attack("fit")
def a_row_of_text(scene: Scene) -> None:
    """Has a text among the results of the last epoch."""
    state("row", "val/loss")(scene, "=cmd|'/c calc'!A1")


@attack("fit")
def results_of_text(scene: Scene) -> None:
    """Has a text for the results that go into result.json at the end."""
    state("results", "val")(scene, "the best")


@attack("test")
def a_version_of_long_ago(scene: Scene) -> None:
    """Comes from Lightning 0.9, for which Lightning writes paths into callbacks after the checks."""
    if scene.hostile:
        scene.content["checkpoint_callback_best_model_path"] = str(scene.thesis)
    state("pytorch-lightning_version")(scene, "0.9.0")


@attack("test")
def a_version_of_text(scene: Scene) -> None:
    """Has no version."""
    state("pytorch-lightning_version")(scene, "newest")


@attack("test")
def a_negative_step(scene: Scene) -> None:
    """Was saved before the first step."""
    state("global_step")(scene, -1)


@attack("test")
def an_epoch_of_text(scene: Scene) -> None:
    """Has a text for the epoch."""
    state("epoch")(scene, "1")


@attack("fit")
def an_end_of_another_model(scene: Scene) -> None:
    """Has a best.ckpt of another network, which is tested only when the training is over."""
    scene.content["callbacks"]["KeepBest"]["accuracy"] = 1.0
    scene.save()
    if scene.hostile:
        other = {**scene.content, "state_dict": {"net.1.weight": torch.zeros(3, 3)}}
        scene.run.best.write_bytes(serialised(other))


# what lies in the run folder


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
