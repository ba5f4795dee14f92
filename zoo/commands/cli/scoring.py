"""The verbs that score: `validate` and `test` show a table, `predict` writes a file."""

import hashlib
from pathlib import Path
from typing import Any

import yaml

from zoo.commands.cli.state import RunState
from zoo.config.yaml_limits import load_yaml
from zoo.errors import UsageError
from zoo.runs.folder import RunFolder
from zoo.runs.predictions import predictions_path, requested_path, source_name, source_of, write_predictions
from zoo.runs.report.table import show_report
from zoo.runs.result import show_table


class Scores(RunState):
    """Scores the weights of a run."""

    def validate(self, **kwargs: Any) -> None:
        """Scores the validation images."""
        self._evaluate("val", self.trainer.validate)
        self._name_profile()

    def test(self, **kwargs: Any) -> None:
        """Scores the test images."""
        self._evaluate("test", self.trainer.test)
        self._name_profile()

    def predict(self, **kwargs: Any) -> None:
        """Writes the probabilities of the classes for each test image."""
        with self.restoring:
            self.trainer.predict(
                self.model, self.datamodule, ckpt_path=self.checkpoint, return_predictions=False, weights_only=True
            )
        if self.trainer.is_global_zero:
            self._write_predictions()
        self._name_profile()

    def _write_predictions(self) -> None:
        """Writes what was predicted where no predictions of other data are."""
        data = self.options["data"]
        source, trained = source_of(data), self._trained_on()
        own = self.has_folder and source == trained
        out = self.options["out"]
        if out:
            path = requested_path(out, source)
        elif trained and source == trained:
            path = predictions_path(self.folder.path if own else Path(), "predictions", source, own=own)
        else:
            path = predictions_path(self.folder.path if self.has_folder else Path(), source_name(source), source)
        digest = hashlib.sha256(self.datamodule.part("test").images.numpy()).hexdigest()
        note = {"source": source, "data": self.names["data"], "sha256": digest, "checkpoint": str(self.checkpoint)}
        found = self.predictions.found
        if names := getattr(self.datamodule, "file_names", None):
            of_test = names("test")
            found = found._replace(files=[of_test[place] for place in found.places])
        write_predictions(path, found, self.datamodule.classes, note)
        print(f"predictions of {len(self.predictions.found.places):,} images of {source} ({digest[:12]}…): {path}")

    @property
    def is_own(self) -> bool:
        """Whether the data are those of the run whose weights these are."""
        return source_of(self.options["data"]) == self._trained_on()

    def _trained_on(self) -> str | None:
        """The data of the run whose weights these are, as its config.yaml says."""
        config = RunFolder(self.checkpoint.absolute().parent.parent).config if self.checkpoint else None
        try:
            return source_of(load_yaml(config.read_text(encoding="utf-8"))["data"]) if config else None
        except (yaml.YAMLError, OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return None

    def _evaluate(self, split: str, verb: Any) -> None:
        with self.restoring:
            verb(self.model, self.datamodule, ckpt_path=self.checkpoint, verbose=False, weights_only=True)
        if split not in self.model.results:
            where = {"val": "--data.val_size", "test": "--trainer.limit_test_batches"}[split]
            raise UsageError(f"{split} images in {where}: expected some, found none. Try: without {where} 0")
        self._check_complete(split)
        if self.trainer.is_global_zero:
            result, notes = self.model.results[split], self.scored.notes
            if split == "test" and (said := getattr(self.datamodule, "test_from", None)):
                notes = [*notes, f"test images: {said}"]
            show_table(
                f"{self.names['model']} on {self.names['data']}",
                {split: result.numbers},
                [f"checkpoint: {self.checkpoint}", *notes],
            )
            if report := self.report_of_test():
                show_report(report)
