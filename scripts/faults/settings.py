"""What the runs of the table of endings train, and what ends them when they are left alone.

BASE + a setting's flags + a limit's  ->  a command that takes seconds
"""

from collections.abc import Callable
from typing import NamedTuple

BASE = (
    "--data Digits --data.train_size 320 --data.batch_size 32 --model MLP --model.hidden [16] --trainer.accelerator cpu"
    " --figures false"
)  # 10 batches an epoch, and one validation of one batch at its end
STEP, STEPS, MORE_STEPS = 14, 25, 35  # batch at which a run ends early; batches after which it shall end


class Setting(NamedTuple):
    """What the runs train.

    Attributes:
        flags: of the command, after BASE.
        per_step: batches of one optimiser's step.
        scheduled: whether something is laid over the whole length, so that another length is another run.
        validations: in an epoch.
    """

    flags: str
    per_step: int = 1
    scheduled: bool = False
    validations: int = 1

    def steps(self, batches: int) -> int:
        """Optimiser's steps in so many batches; an epoch's last window may be a short one."""
        per_epoch = -(-10 // self.per_step)
        return batches // 10 * per_epoch + batches % 10 // self.per_step


SETTINGS = {
    "plain": Setting(""),
    "dropout": Setting(
        "--model.dropout 0.3 --model.norm batch --data.augment [shift_rotate,cutout] --checkpoint_every 0.05"
        " --trainer.accumulate_grad_batches 3 --trainer.callbacks EMAWeightAveraging --trainer.callbacks.decay 0.9",
        per_step=3,
    ),
    "schedule": Setting(
        "--model.dropout 0.3 --model.schedule Cosine --model.schedule.warmup 0.2 --trainer.gradient_clip_val 1"
        " --trainer.val_check_interval 0.5",
        scheduled=True,
        validations=2,
    ),
    # validation goes up and down, so that what was best then is not what is best now
    "jumping": Setting("--model.optimizer torch.optim.SGD --model.optimizer.lr 2 --model.optimizer.momentum 0.9"),
}


class Limit(NamedTuple):
    """What ends a run that is left alone.

    Attributes:
        flags: of the command.
        more: flags by which it ends later.
        again: whether a schedule's length changes with them.
    """

    flags: str
    more: str
    again: bool = True


STOPPING = "--trainer.callbacks+=EarlyStopping --trainer.callbacks.monitor val/loss --trainer.callbacks.mode max"
LIMITS: dict[str, Callable[[Setting], Limit]] = {
    "epochs": lambda setting: Limit("--trainer.max_epochs 3", "--trainer.max_epochs 5"),
    "steps": lambda setting: Limit(
        f"--trainer.max_epochs 6 --trainer.max_steps {setting.steps(STEPS)}",
        f"--trainer.max_steps {setting.steps(MORE_STEPS)}",
    ),
    "time": lambda setting: Limit(
        f"--trainer.max_epochs 6 --trainer.max_time 00:00:00:{STEPS}",
        f"--trainer.max_time 00:00:00:{MORE_STEPS}",
        again=False,
    ),
    # the loss falls, so a callback that waits for it to rise stops after so many validations
    "stopping": lambda setting: Limit(
        f"--trainer.max_epochs 6 {STOPPING} --trainer.callbacks.patience {2 * setting.validations}",
        "--trainer.max_epochs 8",
    ),
}
