"""Which run is it? Its folder, taken for this command alone; the checkpoint to start from; and what it was before."""

from pathlib import Path
from typing import Any

from zoo.checkpoints.storage import read_checkpoint
from zoo.commands.arguments import config_state
from zoo.commands.cli.finders import known_proposals, taken_up
from zoo.commands.cli.pretrained import StartsFromWeights
from zoo.errors import UsageError, warn
from zoo.files import names_in
from zoo.launch.process import is_first
from zoo.resume.history import trained_starts
from zoo.resume.identity.comparison import compare
from zoo.resume.identity.records import past_of
from zoo.resume.identity.same_experiment import check_same_experiment
from zoo.runs.folder import RunFolder, resumable
from zoo.runs.lock import FolderInUse, FolderLock


class FindsRun(StartsFromWeights):
    """The folder, the checkpoint and the past of a run."""

    def _name_run(self) -> None:
        """What the run is called, and where it lies."""
        given = self.options["run_dir"]
        if given == "":  # an empty variable of a shell would be a folder of its own each time
            raise UsageError("run folder in --run_dir: expected a name, found an empty one. Try: --run_dir DIR")
        names = {key: self.options[key]["class_path"].rpartition(".")[2] for key in ("data", "model")}
        self.names = {**names, "seed": self.options["seed_everything"]}
        self.folder = RunFolder(given) if given else RunFolder.default(**self.names)
        self.has_folder = bool(given)

    def _take_folder(self) -> None:
        """Makes this run the only one at its folder, until the end of the command; the first process does so for all.

        Raises:
            FolderInUse: another run is there.
        """
        trainer = self.options["trainer"]
        writes = self.subcommand == "fit" and not (trainer["fast_dev_run"] or trainer["barebones"])
        if not is_first() or not (writes or (self.has_folder and self.subcommand != "fit")):
            return
        if self.has_folder and self.folder.path.exists() and not self.folder.path.is_dir():
            self.folder.check_free()
        made = [] if self.has_folder else self.folder.make_new()
        self.lock = FolderLock(self.folder.path, shared=self.subcommand in ("validate", "test"))
        self.lock.made = made
        self.before = names_in(self.folder.path)
        try:
            warn(self.lock.take())
        except BaseException:
            self.lock.unmake()
            self.lock = None
            raise
        if self.seen and self.seen[1] != config_state(self.seen[0]):
            raise FolderInUse(
                f"run folder in --run_dir: expected nobody else at it, found {self.folder.path} changed by another"
                " process since this one began. Try: the same command again"
            )
        if not self.lock.shared:
            self.folder.sweep()

    def _leave_folder(self) -> None:
        """Gives the folder back; one in which no run has begun is left as it was."""
        if self.lock:
            if not self.lock.shared and not self.folder.holds_run:
                self.folder.clear(self.before)
            self.lock.release()

    def _choose_checkpoint(self) -> Path | None:
        """The checkpoint to start from, checked to be readable; None to start anew."""
        if self.subcommand != "fit":
            return Path(self.asked)  # `complete` has put it there
        resume = self.options["resume"]
        if resume != "never" and not self.has_folder:
            raise UsageError(
                f"run folder in --run_dir: expected one to continue (--resume {resume}), found none. Try: --run_dir DIR"
            )
        if resume == "never":
            self.folder.check_free()
        if resume == "must":
            self.folder.check_run()
        if resume != "never":
            newest, warning = resumable(self.folder)
            warn(warning)
            if newest:
                return newest
            self.folder.check_same(self._recorded())
        return Path(self.asked) if self.asked else None

    def _read_past(self, named: Any) -> dict[str, Any]:
        """The record of the run whose checkpoint it is, empty if there is none; what goes on with it must be it.

        Args:
            named: the callbacks, with finders whose search is done.
        """
        self.parts: list[dict[str, Any]] = []
        if not self.checkpoint:
            self._settle_weights({})
            return {}
        content = read_checkpoint(self.checkpoint)
        beside = RunFolder(self.checkpoint.absolute().parent.parent)
        past = past_of(content, self.checkpoint, beside.config)
        if self.subcommand == "fit":
            self._settle_weights(past)
            self.parts = trained_starts(content)
            self.proposed = known_proposals(past.get("proposed"))
            for name, value in taken_up(named, self.proposed).items():
                settings = self._settings_of(name)
                if settings is not None:
                    settings[name] = value
            stretch = self.options["resume_schedule"] == "stretch"
            check_same_experiment(compare(past, {"config": self._recorded()}), self.checkpoint, stretch=stretch)
        return past
