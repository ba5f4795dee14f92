"""What a difference between two records of a run means: the first rule that fits its key decides.

What is no key of the table counts as another experiment, so that a new option is never overlooked.
"""

from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from zoo.runs.result import MONITOR

SCHEMA = 1
ANOTHER = "another experiment"  # refused where a run goes on
LENGTH = "the length"  # may change, unless the learning rate is laid out over it
NUMBER = "a setting"  # may change from one number to another; anything else is another experiment
MAY = "may change"
EXACT = "may change, not bit for bit"
FREE = "not compared"


class Rule(NamedTuple):
    """What a difference means.

    Attributes:
        keys: patterns of keys, with spaces between them.
        resumed: its kind where a run goes on.
        scored: its kind where weights are scored.
        reason: why, in a few words.
    """

    keys: str
    resumed: str
    scored: str
    reason: str


# the first rule that fits a key decides
RULES = (
    Rule("seed_everything", ANOTHER, FREE, "decides order, augmentation and the first weights"),
    Rule(
        "data.root data.path data.recursive data.skip_broken model.weights",
        *(MAY, FREE),
        "arrays and weights are compared, not where they lie",
    ),
    Rule("data.known_classes data.labels", FREE, FREE, "the labels and the names of the classes are compared"),
    Rule("data.batch_size data.val_size data.train_size", ANOTHER, FREE, "compared by what they come to"),
    Rule("data.normalize data.shuffle_pixels", ANOTHER, ANOTHER, "what the network sees"),
    Rule("data.augment data.augment.* data.balance", ANOTHER, FREE, "what the network is trained on"),
    Rule("data", ANOTHER, FREE, "what the network is trained on"),
    Rule("data.*", ANOTHER, ANOTHER, "what the network sees"),
    Rule("model.compile", MAY, FREE, "how it is computed"),
    Rule(
        "model.optimizer.fused model.optimizer.foreach model.optimizer.capturable model.optimizer.differentiable",
        *(MAY, FREE),
        "how it is computed",
    ),
    Rule("model.optimizer model.schedule model.schedule.*", ANOTHER, FREE, "the way of training"),
    Rule("model.optimizer.*", NUMBER, FREE, "numbers such as the learning rate: the flag wins"),
    Rule(
        "model.init model.label_smoothing model.dropout model.freeze model.unfreeze_at",
        *(ANOTHER, FREE),
        "the way of training",
    ),
    Rule("model model.*", ANOTHER, ANOTHER, "the network"),
    Rule("trainer.max_epochs trainer.max_steps", LENGTH, FREE, "how long"),
    Rule("trainer.min_epochs trainer.min_steps trainer.max_time", MAY, FREE, "how long"),
    Rule(
        "trainer.accelerator trainer.strategy trainer.devices trainer.num_nodes",
        MAY,
        FREE,
        "where: the batch is global",
    ),
    Rule("trainer.deterministic trainer.benchmark", EXACT, FREE, "how it is computed"),
    Rule("trainer.precision", ANOTHER, EXACT, "the numbers that it is computed in"),
    Rule(
        "trainer.accumulate_grad_batches trainer.gradient_clip_val trainer.gradient_clip_algorithm"
        " trainer.limit_train_batches trainer.overfit_batches trainer.reload_dataloaders_every_n_epochs"
        " trainer.sync_batchnorm trainer.plugins",
        *(ANOTHER, FREE),
        "the way of training",
    ),
    Rule(
        "trainer.limit_val_batches trainer.val_check_interval trainer.check_val_every_n_epoch monitor",
        *(ANOTHER, FREE),
        "what the weights are chosen by",
    ),
    Rule(
        "trainer.logger trainer.logger.* trainer.profiler trainer.profiler.* trainer.log_every_n_steps"
        " trainer.enable_progress_bar trainer.enable_model_summary trainer.enable_checkpointing"
        " trainer.enable_autolog_hparams trainer.model_registry trainer.default_root_dir trainer.num_sanity_val_steps"
        " trainer.fast_dev_run trainer.limit_test_batches trainer.limit_predict_batches trainer.inference_mode"
        " trainer.use_distributed_sampler trainer.detect_anomaly trainer.barebones",
        *(MAY, FREE),
        "what is watched and kept",
    ),
    Rule(
        " ".join(
            f"trainer.callbacks.{name} trainer.callbacks.{name}.*"
            for name in (
                *("ModelCheckpoint", "OnExceptionCheckpoint", "EarlyStopping", "Timer", "LearningRateFinder"),
                *("DeviceStatsMonitor", "LearningRateMonitor", "ThroughputMonitor", "SpikeDetection"),
                *("ModelSummary", "RichModelSummary", "ProgressBar", "RichProgressBar", "TQDMProgressBar"),
                *("GradientNorms", "UpdateRatios", "Activations", "DeadUnits", "Gap"),
            )
        ),
        *(MAY, FREE),
        "watch, stop or keep",
    ),
    Rule("trainer.callbacks.*", ANOTHER, FREE, "may change the training: averages, accumulation, pruning, one's own"),
    Rule("trainer.*", ANOTHER, FREE, "not known to be harmless"),
    Rule("arrays.* splits.* pixels classes weights", ANOTHER, FREE, "the data itself, and what was started from"),
    Rule("code versions.* device devices threads processor", EXACT, FREE, "the last digits may be others"),
    Rule("*", ANOTHER, ANOTHER, "not known to be harmless"),
)
BY_EFFECT = {"data.batch_size": "batch_size", "data.train_size": "train", "data.val_size": "val"}
SHARES = (  # the whole number 1 is one batch, the number 1.0 is all of them
    *("trainer.limit_train_batches", "trainer.limit_val_batches", "trainer.overfit_batches"),
    "trainer.val_check_interval",
)
# several ways to write one thing; those that no table here has are themselves
ALIKE: dict[str, dict[Any, Any]] = {
    "trainer.precision": {
        **dict.fromkeys((None, 32, "32"), "32-true"),
        **dict.fromkeys((16, "16"), "16-mixed"),
        **dict.fromkeys((64, "64"), "64-true"),
        "bf16": "bf16-mixed",
    },
    "trainer.limit_train_batches": {None: 1.0},
    "trainer.limit_val_batches": {None: 1.0},
    "trainer.val_check_interval": {None: 1.0},
    "trainer.gradient_clip_val": {None: 0.0, 0: 0.0},
    "trainer.gradient_clip_algorithm": {None: "norm"},
    "trainer.max_steps": {None: -1},
    "trainer.logger": {None: False},
    "data.augment": {None: ()},
}
# what an option was that records from before it do not have, which no default tells: "data.option": value
BEFORE: dict[str, Any] = {"monitor": MONITOR}


def rule_of(key: str) -> Rule:
    """The rule that decides what a difference in this key means."""
    return next(rule for rule in RULES if any(fnmatchcase(key, pattern) for pattern in rule.keys.split()))


def rules_table() -> str:
    """The rules as a table in Markdown, in the order in which they are tried."""
    lines = ["| keys | a run that goes on | weights that are scored | because |", "|---|---|---|---|"]
    for rule in RULES:
        keys = " ".join(f"`{key}`" for key in rule.keys.split())
        lines.append(f"| {keys} | {rule.resumed} | {rule.scored} | {rule.reason} |")
    return "\n".join(lines)
