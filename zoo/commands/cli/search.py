"""Objects of the configuration; where finders are among them, once more with what they have found."""

from lightning import seed_everything
from lightning.pytorch.callbacks import LearningRateFinder

from zoo.commands.cli.finders import check_alone, check_finder, find_batch_size, find_rate, without_finders
from zoo.commands.cli.pretrained import StartsFromWeights
from zoo.config.errors.library_errors import is_out_of_memory, line_for
from zoo.config.parser import innermost, line_within
from zoo.errors import DataError, UsageError, chain, report
from zoo.geometry import check_geometry
from zoo.training.callbacks.named_callbacks import options_of


class MakesObjects(StartsFromWeights):
    """Makes data, model and trainer, and lets finders search before the run."""

    def instantiate_classes(self) -> None:
        self._instantiate_all()
        if self.subcommand == "fit" and self.searches:
            self._search()
            seed_everything(
                self.options["seed_everything"], workers=True
            )  # from here on the run is the one that these values, set by hand, would give
            self._instantiate_all()

    def _search(self) -> None:
        """Has the finders among the callbacks propose values, and puts these into the configuration in their place."""
        check_alone(self.trainer.world_size)
        for finder in self.searches:
            check_finder(finder)
        flags = self.made["trainer"].as_dict()
        self.datamodule.prepare_data()
        self.datamodule.setup()
        for finder in sorted(self.searches, key=lambda each: isinstance(each, LearningRateFinder)):
            if isinstance(finder, LearningRateFinder):
                found: float = find_rate(finder, self.model, self.datamodule, flags)
                key, name, take = "model.optimizer.lr", "lr", options_of(finder)["update_attr"]
            else:
                window = flags.get("accumulate_grad_batches") or 1  # an epoch has to have as many batches
                images = max(1, len(self.datamodule.splits["train"]) // window)
                found = find_batch_size(finder, self.model, self.datamodule, flags, images)
                key, name, take = "data.batch_size", "batch_size", True
                self.datamodule.batch_size = found
            settings = self._settings_of(name)
            if settings is None:
                raise UsageError(
                    f"optimiser in --model.optimizer: expected one with a rate for {type(finder).__name__}, found none"
                )
            self.proposed[name] = found
            before = settings.get(name)
            instead = f" instead of {before}" if take and before is not None else ""
            report(f"{type(finder).__name__} proposes --{key} {found:g}{instead}")
            if take:
                settings[name] = found
        trainer = self.options["trainer"]
        trainer["callbacks"] = without_finders(trainer["callbacks"])
        del self.config_dump  # Lightning's copy of the configuration, which checkpoints describe the model by

    def _instantiate_all(self) -> None:
        try:
            super().instantiate_classes()
            self._start_from_weights()
            check_geometry(self.model.net, self.datamodule.in_shape)
        except (ValueError, RuntimeError, MemoryError) as error:  # a constructor refused a value, or a layer its input
            if is_out_of_memory(error):
                raise UsageError(
                    "memory in --model: expected enough for the weights of the network, found less."
                    " Try: a smaller network"
                ) from error
            if data := next((each for each in chain(error) if isinstance(each, DataError)), None):
                raise data from None  # the file is wrong, not the command
            if not isinstance(error, ValueError):
                raise
            if line := self._other_images():
                raise UsageError(line) from error
            # where one class or a list of them may stand, the line is among those of what else may stand there
            blame = next(filter(None, map(line_for, chain(error))), None)
            raise UsageError(line_within(str(error), None) or blame or innermost(error)) from error
