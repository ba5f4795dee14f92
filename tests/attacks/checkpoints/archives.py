"""Attacks by the archive that a checkpoint is: members that lie, overlap, hide or lead elsewhere."""

import io
import zipfile

from attacks.checkpoints.corpus import LARGE, attack
from attacks.scene import Scene, members_of, summed, zipped
from zoo.checkpoints.storage import COMMENT


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
