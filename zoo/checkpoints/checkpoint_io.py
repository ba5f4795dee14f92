"""What Lightning saves and loads checkpoints with: `zoo.checkpoints.storage`, as a plugin of the Trainer.

In a file of its own, so that weights can be read without Lightning.
"""

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.checkpoints import storage
from zoo.files import temporary

OF_TRAINING = ("callbacks", "loops")  # keys of a checkpoint


class SafeCheckpointIO(TorchCheckpointIO):
    """Saves and loads checkpoints in this form.

    Lightning's own save goes through the temporary folder and is a plain copy if that lies on another file system.

    Args:
        keep_previous: files whose previous version is kept, under `previous_of` their name.
    """

    def __init__(self, keep_previous: Collection[Path] = ()) -> None:
        super().__init__()
        self.keep_previous = {Path(path).absolute() for path in keep_previous}
        self.resumes: Callable[[], bool] = lambda: True  # whether what is read is trained on
        self._whole: set[Path] = set()  # files that this process has written or found whole
        self._written: set[Path] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path).absolute()
        content = storage.serialised(checkpoint)
        beside = temporary(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            storage.write_through(beside, content)
            # a file that was found damaged must not take the place of the good one before it
            if target in self.keep_previous and target in self._whole and target.exists():
                storage.keep(target, storage.previous_of(target))
            beside.replace(target)
        except OSError as error:
            raise OSError(storage.no_room(error, target, len(content))) from error
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
        storage.flush_folder(target.parent)
        self._whole.add(target)
        self._written.add(target)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Reads tensors and plain values only, whatever is asked for: a checkpoint cannot bring code along.

        Where nothing is trained, the states of callbacks and loops are left out. They are of the step at which the
        checkpoint was saved, and Lightning gives them to those of a test, too: after a training these are ahead of it,
        in a later one they have nothing to do with it.
        """
        content = storage.read_checkpoint(Path(path))
        self._whole.add(Path(path).absolute())
        return content if self.resumes() else {key: content[key] for key in content if key not in OF_TRAINING}

    def remove_checkpoint(self, path: Any) -> None:
        """Deletes a file that this process has written, and no other: a callback may have its name from a checkpoint.

        Lightning's own deletes whole folders too, under any address.
        """
        if Path(path).absolute() in self._written:
            Path(path).unlink(missing_ok=True)
