"""The verb `fit`: trains, validates the weights of the end, tests those that were chosen, and records the result."""

import shlex
import time
from typing import Any

from lightning import Trainer

from zoo.callbacks.diagnostic import Diagnostic
from zoo.checkpoints.storage import read_checkpoint
from zoo.commands.cli.state import RunState
from zoo.commands.cli.trainer_setup import scoring
from zoo.commands.plain_parser import program
from zoo.errors import report, shorten, warn
from zoo.geometry import oversized
from zoo.loggers.base import BeginLoggers, RunFacts, close_loggers, log_result, run_loggers
from zoo.resume.endings import format_ending, format_unused_limits, has_ended
from zoo.resume.keep_best import is_better, put_in_place
from zoo.runs.figures.run_figures import draw_run
from zoo.runs.report.form import report_in
from zoo.runs.report.table import show_report
from zoo.runs.result import RULES, make_record, read_record, show_table, write_record
from zoo.training.callbacks.pruning import share_of_zeros

VALIDATED = ("val/loss", "val/accuracy", "val/balanced_accuracy")  # what a validation logs


class Fits(RunState):
    """Trains a run to its end."""

    def fit(self, **kwargs: Any) -> None:
        """Trains, then tests the checkpoint that validation chose; shows the result again where that is done."""
        content = read_checkpoint(self.checkpoint) if self.checkpoint else {}
        ours = self.checkpoint is not None and self.checkpoint.parent == self.folder.checkpoints
        ended = ours and not self.dry and has_ended(content, self.trainer)
        if ours:
            self._miss_best(content)
        if ended:
            self.history.check_data(self.datamodule)
            flags = self.past.get("config", {}).get("trainer", {}), self.recorded["trainer"]
            if line := format_unused_limits(content["ending"], *flags):
                report(line)
        if ended and (record := read_record(self.folder.result, content["ending"])):
            if self.trainer.is_global_zero:
                self._show(record)
            return
        with close_loggers(self.trainer):
            self._fit(content, ended=ended)
        self._name_profile()

    def _fit(self, content: dict[str, Any], *, ended: bool) -> None:
        if self.checkpoint:
            report(f"continues from {self.checkpoint}")
        elif self.note:
            report(self.note)
        if large := oversized(self.model.net, self.datamodule.in_shape):
            more = f" and {len(large) - 1} more" if len(large) > 1 else ""
            report(f"kernel larger than its map: {large[0]}{more}; a part of it sees the frame of zeros only")
        if not self.dry:
            self._begin(content, ended=ended)
        if ended:
            self.lines.seconds = content["ending"]["seconds"]
            self.trainer.callbacks = scoring(self.trainer.callbacks)  # type: ignore[attr-defined]
        else:
            content = {}  # the memory is needed
            with self.restoring:
                self.trainer.fit(self.model, self.datamodule, ckpt_path=self.checkpoint, weights_only=True)
            self.trainer.callbacks = scoring(self.trainer.callbacks)  # type: ignore[attr-defined]
        if self.dry:
            report(self._dry_run(self.lines.seconds))
            return
        end = self._ending()
        # where a longer training was begun and given up, the best may have been taken back already
        if end and (end["chosen"] is None or (ended and end["validated"])):
            end = self._validate_last() or end
        chosen = self.trainer.strategy.broadcast(self.folder.chosen if self.folder.chosen.exists() else None)
        if not chosen:
            report(nothing_tested(self.trainer))
            return
        # who collects answers comes only now: in training it would be asked at every step
        self.trainer.callbacks = [*self.trainer.callbacks, self.answers]  # type: ignore[attr-defined]
        content = self._checked(chosen)  # it need not be of this start of the run
        epoch, validated = content["epoch"], content.get("results", {}).get("val")
        del content  # the memory is needed
        with self.restoring.of(chosen):
            self.trainer.test(self.model, self.datamodule, ckpt_path=chosen, verbose=False, weights_only=True)
        self._check_complete("test")
        if self.trainer.is_global_zero:
            self._record(epoch, validated, end)

    def _begin(self, content: dict[str, Any], *, ended: bool) -> None:
        """Takes up the files of a run that goes on, and lets the loggers know of it."""
        step, row = content.get("global_step", 0), content.get("row")
        before = content.get("ending") or {}
        if self.checkpoint:
            last = before["row"] if ended and before["row"] else row
            complaint = self.metrics.continue_from(step, last, content.get("metrics"))
            warn(complaint if self.checkpoint.parent == self.folder.checkpoints else None)  # else there are none yet
            self.diagnostics.continue_from(step)
        if not ended and before.get("row"):  # of an epoch that was none
            at = before["row"]["step"]
            held = self.metrics.known_row(content.get("metrics"), at)
            self.metrics.take_back(at, {*before["row"], *VALIDATED}, held | (row if row and row["step"] == at else {}))
            for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, Diagnostic):
                    callback.take_back(int(before["row"]["epoch"]))
        elif not ended and before.get("validated") and row:
            self.metrics.take_back(row["step"], VALIDATED, row)
        facts = RunFacts(self.folder.path, config=self.recorded, step=step, row=row, **self.names)
        if ended:
            for logger in run_loggers(self.trainer):
                logger.begin(facts)
        else:
            self.trainer.callbacks.append(BeginLoggers(facts))  # type: ignore[attr-defined]

    def _ending(self) -> dict[str, Any]:
        """What last.ckpt says of the end of the training; nothing if it says nothing."""
        return read_checkpoint(self.folder.last).get("ending") or {} if self.folder.last.exists() else {}

    def _validate_last(self) -> dict[str, Any] | None:
        """Validates the weights of the end, which have seen steps since the last validation, and chooses anew.

        Returns what last.ckpt says of the end now, if that is another thing than before.
        """
        start, trainer, last = time.perf_counter(), self.trainer, self.folder.last
        named, trainer.loggers = trainer.loggers, []  # the row that these results belong to is one step back
        content = self._checked(last)
        with self.restoring.of(last):
            trainer.validate(self.model, self.datamodule, ckpt_path=last, verbose=False, weights_only=True)
        trainer.loggers = named
        if not trainer.is_global_zero or "val" not in self.model.results:
            return None
        result, ending = self.model.results["val"], content["ending"]
        found = {name: value for name, value in result.numbers.items() if name != "n"}
        row = {name: int((ending["row"] or content["row"])[name]) for name in ("step", "epoch")}
        for logger in trainer.loggers:
            logged = {f"val/{name}": value for name, value in found.items()}
            logger.log_metrics({**logged, "epoch": row["epoch"]}, row["step"])
            logger.save()
        print(f"after the last step  val loss {result.loss:.4f}, {100 * result.accuracy:.2f} %", flush=True)
        chosen = {name: value for name, value in content.items() if name not in ("ending", "stop", "row")}
        chosen["results"] = {**content.get("results", {}), "val": {**found, "n": result.n}}
        best = content.get("callbacks", {}).get("KeepBest", {"accuracy": -1.0})
        if is_better(found, best, self.options["monitor"]):
            put_in_place(self.folder.best, ending["steps"])
            trainer.strategy.checkpoint_io.save_checkpoint(chosen, self.folder.best)
        if not ending["validated"]:
            self.lines.seconds = ending["seconds"] + time.perf_counter() - start
        ending = {**ending, "chosen": self.folder.best.name, "validated": found, "seconds": self.lines.seconds}
        trainer.strategy.checkpoint_io.save_checkpoint({**content, "ending": ending}, last)
        return ending

    def _dry_run(self, seconds: float) -> str:
        """What has come of a training that leaves nothing behind."""
        batches = int(self.trainer.fast_dev_run)  # type: ignore[attr-defined]
        if batches:
            count = "one batch" if batches == 1 else f"{batches} batches"
            return f"fast_dev_run: {count} of training and of validation went through; nothing was written or tested"
        epochs = self.trainer.current_epoch
        return (
            f"barebones: {epochs} epoch{'s' * (epochs != 1)} in {seconds:.2f} s; nothing was logged, written or tested"
        )

    def _record(self, epoch: int, validated: dict[str, Any] | None, end: dict[str, Any]) -> None:
        """Writes result and, if they are wanted, figures of a finished run and shows them.

        Args:
            epoch: of the checkpoint that was chosen, from 0.
            validated: what its validation came to.
            end: what last.ckpt says of the end of the training.
        """
        seconds = end.get("seconds", self.lines.seconds)
        monitor = self.options["monitor"]
        record = make_record(self.trainer, self.model, self.folder, self.names, seconds, end, epoch, validated, monitor)
        record |= {"zeros": round(share_of_zeros(self.model), 6)} if self.pruned else {}
        record |= {"proposed": self.proposed} if self.proposed else {}
        source = self.started_from or {}
        record |= {"started_from": {key: source[key] for key in ("name", "sha256")}} if source else {}
        record |= {"test_from": said} if (said := getattr(self.datamodule, "test_from", None)) else {}
        record["parts"] = self.history.conclusion(self.trainer)
        classes = self.report_of_test()
        record |= {"report": classes} if classes else {}
        write_record(self.folder.result, record)
        if self.options["figures"]:
            best, answers = record["best_epoch"], self.answers.answers
            try:
                draw_run(self.folder, self._title(), best, self.model.results, answers, self.datamodule, classes)
            except Exception as error:  # the result stands without its pictures
                reason = " ".join(str(error).split())[:160] or type(error).__name__
                warn(f"figures in {self.folder.figures}: expected all that there are, found an error ({reason})")
        log_result(self.trainer, record, self.folder.figures)
        self._show(record)

    def _title(self) -> str:
        return f"{self.names['model']} on {self.names['data']}, seed {self.names['seed']}"

    def _show(self, record: dict[str, Any]) -> None:
        """Prints the table of a finished run."""
        epochs = f"{record['epochs']} epoch{'s' * (record['epochs'] != 1)}"
        chosen = record["chosen_by"] if "chosen_by" in record else self.folder.best.exists()
        by = str(chosen).partition(",")[0] if chosen in list(RULES.values())[1:] else ""
        reason = f"chosen on validation{f' by {by}' * bool(by)}" if chosen else "the last: nothing was validated"
        notes = [
            f"{record['parameters']:,} parameters, {epochs} in {record['seconds']:.1f} s,"
            f" weights of epoch {record['best_epoch']} ({reason})",
            f"result: {self.folder.result}" + f"   figures: {self.folder.figures}/" * self.folder.figures.exists(),
        ]
        if isinstance(record.get("zeros"), float):
            notes.insert(1, f"pruned: {100 * record['zeros']:.1f} % of the parameters are 0")
        if isinstance(source := record.get("started_from"), dict):
            notes.insert(1, f"started from {shorten(source.get('name'))} ({shorten(source.get('sha256'), 13)})")
        if record["ended"]["reason"] not in (None, "max_epochs"):
            notes.insert(1, f"training ended by {format_ending(record['ended'])}")
        if isinstance(record.get("test_from"), str):
            notes.insert(0, f"test images: {shorten(record['test_from'])}")
        classes = report_in(record)
        notes += [f"more on each class: {program()} report {shlex.quote(str(self.folder.path))}"] * bool(classes)
        show_table(self._title(), {split: record[split] for split in ("train", "val", "test")}, [])
        if classes:
            show_report(classes)
        for note in notes:
            print(note)


def nothing_tested(trainer: Trainer) -> str:
    """The message at the end of a training that has left no weights."""
    if trainer.global_step:
        return "no checkpoint was written, so nothing was tested"
    limits = ("max_epochs", "max_steps", "limit_train_batches")
    flags = ", ".join(f"--trainer.{name} 0" for name in limits if getattr(trainer, name) == 0)
    return f"no step was trained{f' ({flags})' * bool(flags)}, so nothing was written or tested"
