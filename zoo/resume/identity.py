"""What is this run? One record of everything its numbers depend on, and how two such records differ.

    RUN/identity.json and `identity` in each of its checkpoints:
        {"schema": 1, "config": {seed_everything, trainer, data, model},
         "data": {"arrays", "splits", "images", "batch_size", "classes", "mean", "std", "pixels"},
         "code": {"commit", "changes", "source"}, "versions": {…},
         "place": {"device", "devices", "threads", "processor"}, "precision": "32-true"}

    compare(then, now)  ->  [Change("data.normalize", "standard", "none", "another experiment"), …]

Whoever asks whether two runs are the same asks here: a run that goes on, weights that are scored, a run that is
repeated. What is no key of the table below counts as another experiment, so that a new option is never overlooked.
"""

import inspect
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from lightning import Trainer

from zoo.checkpoints.validation import within as all_within
from zoo.errors import UsageError
from zoo.runs.folder import RECORDED

SCHEMA = 1
ANOTHER = "another experiment"  # refused where a run goes on
LENGTH = "the length"  # may change, unless the learning rate is laid out over it
NUMBER = "a setting"  # may change from one number to another; anything else is another experiment
MAY = "may change"
EXACT = "may change, not bit for bit"
FREE = "not compared"

MOST_TEXT = 20_000  # characters of one value, and of all class names together
MOST_VALUES = 30_000
LONGEST = 1_000_000  # bytes of identity.json
SHOWN = 60  # characters of a value in a message


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
    Rule("data.root data.path", MAY, FREE, "the arrays are compared, not where they lie"),
    Rule("data.known_classes", FREE, FREE, "the class names are compared"),
    Rule("data.batch_size data.val_size data.train_size", ANOTHER, FREE, "compared by what they come to"),
    Rule("data.normalize data.shuffle_pixels", ANOTHER, ANOTHER, "what the network sees"),
    Rule("data.augment data.augment.*", ANOTHER, FREE, "what the network is trained on"),
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
    Rule("model.init model.label_smoothing model.dropout", ANOTHER, FREE, "the way of training"),
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
        "trainer.limit_val_batches trainer.val_check_interval trainer.check_val_every_n_epoch",
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
    Rule("arrays.* splits.* pixels classes", ANOTHER, FREE, "the data itself"),
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
# what an option was that records from before it do not have, where its default is another: "data.option": value
BEFORE: dict[str, Any] = {}

Record = Mapping[str, Any]
Flags = dict[str, Any]


class Change(NamedTuple):
    """A key in which two records differ.

    Attributes:
        key: such as `data.normalize`.
        then: its value in the first record.
        now: its value in the second.
        kind: MAY, EXACT, LENGTH or ANOTHER.
    """

    key: str
    then: Any
    now: Any
    kind: str

    def __str__(self) -> str:
        return f"{display_name(self.key)} {format_setting(self.then)} → {format_setting(self.now)}"


def rule_of(key: str) -> Rule:
    """The rule that decides what a difference in this key means."""
    return next(rule for rule in RULES if any(fnmatchcase(key, pattern) for pattern in rule.keys.split()))


def compare(then: Record, now: Record) -> list[Change]:
    """What has changed between two starts of a run, key by key; what is the same is left out.

    Args:
        then: a record; what it does not have is not compared, an option counts as the default.
        now: another; it may lack what is not known yet.
    """
    changes = [change for change in changed_flags(then, now) if rule_of(change.key).resumed != FREE]
    found = [settled(change, rule_of(change.key).resumed, now) for change in changes]
    others = changed_facts(then, now, {change.key for change in found})
    if any(change.key == "arrays.train" for change in others):  # other images are another number of them as well
        old, new = flags_of(then.get("config")), flags_of(now.get("config"))
        found = [c for c in found if c.key not in BY_EFFECT or old.get(c.key) != new.get(c.key)]
    return found + others


def settled(change: Change, kind: str, now: Record) -> Change:
    """The change with its kind, where that depends on more than the key."""
    if kind == NUMBER:
        kind = MAY if is_number(change.then) and is_number(change.now) else ANOTHER
    elif kind == LENGTH and not flags_of(now.get("config")).get("model.schedule"):
        kind = MAY
    return change._replace(kind=kind)


def scored_otherwise(then: Record, now: Record) -> list[Change]:
    """What stands between weights that are scored and the way they were trained; ANOTHER where it is refused.

    Options of another data set are its own affair: its images and classes are compared, see `other_data`.
    """
    found = []
    changes = changed_flags(then, now, within=("data",))
    other_data = any(change.key == "data" for change in changes)
    for change in changes:
        kind = rule_of(change.key).scored
        shared = rule_of(change.key).keys != "data.*"
        if kind != FREE and (shared or not other_data):
            found.append(change._replace(kind=kind))
    return found


def other_data(then: Record, now: Record, split: str) -> str | None:
    """In words, if the images that are scored are not those that the run had; raises UsageError for other classes.

    Args:
        then: of the run.
        now: of the present data.
        split: `val` or `test`.
    """
    before, here = then.get("data", {}), now.get("data", {})
    check_class_names(before, here, split)
    part = "train" if split == "val" else "test"
    pairs = [
        (before.get(kind, {}).get(key), here.get(kind, {}).get(key))
        for kind, key in (("arrays", part), ("splits", split))
    ]
    if not any(old and old != new for old, new in pairs):
        return None
    counts = [data.get("images", {}).get(split, 0) for data in (before, here)]
    digests = pairs[0] if pairs[0][0] != pairs[0][1] else pairs[1]
    expected, found = (
        f"{count:,} with SHA-256 {str(digest)[:12]}…" for count, digest in zip(counts, digests, strict=True)
    )
    return f"other {split} images than those of the run: {found}, where it had {expected}"


def check_class_names(before: Record, here: Record, split: str) -> None:
    """Raises UsageError if these are classes of other names, or in another order: a prediction is a name."""
    old, new = before.get("classes"), here.get("classes")
    if not old or not new or not here.get("named", True) or list(old) == list(new):
        return
    k = next((k for k, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), min(len(old), len(new)))
    expected, found = (repr(format_setting(names[k])) if k < len(names) else "none" for names in (old, new))
    advice = "the classes of the run, in its order"
    if not before.get("named", True):
        advice = "an archive without the array `classes`, whose numbers are those of the run"
    elif set(new) <= set(old) and split == "test":  # without the array, the numbers would be taken for those of the run
        advice = "numpy.savez(FILE, test_images=test_images, test_labels=classes[test_labels]): names for numbers"
    raise UsageError(f"class {k} in --data: expected {expected}, as in the run, found {found}. Try: {advice}")


def changed_flags(then: Record, now: Record, within: Sequence[str] = ()) -> list[Change]:
    """The options that differ, of kind ANOTHER for now.

    Args:
        then: a record.
        now: another.
        within: keys of classes whose options are compared even if the class is another.
    """
    configs = then.get("config") or {}, now.get("config") or {}
    old, new = map(flags_of, configs)
    old_effects, new_effects = effects(then), effects(now)
    found: dict[str, Change] = {}
    for key in {**new, **old}:
        if any(key.startswith(f"{other}.") for other in found if other not in within):
            continue
        if any(key.split(".")[0] not in config for config in configs):
            continue
        values = [side[key] if key in side else default_of_option(key, configs[1]) for side in (old, new)]
        if key in BY_EFFECT and key in old_effects:
            if key not in new_effects and values[1] is None:
                continue  # what it comes to is not known yet
            values = [old_effects[key], new_effects.get(key, values[1])]
        if not same_value(key, *values):
            found[key] = Change(key, values[0], values[1], ANOTHER)
    return list(found.values())


def changed_facts(then: Record, now: Record, flags: Iterable[str]) -> list[Change]:
    """What else differs: the data itself, and where and by what it is computed.

    Args:
        then: a record.
        now: another.
        flags: options that differ, whose consequences are not said again.
    """
    old, new = facts(then), facts(now)
    found = [
        Change(key, old[key], new[key], rule_of(key).resumed)
        for key in new
        if old.get(key) is not None and new[key] is not None and old[key] != new[key]
    ]
    consequences = []
    if any(key in flags for key in ("data.val_size", "data.train_size")) or any(c.key == "arrays.train" for c in found):
        consequences += ["splits.train", "splits.val", "splits.test"]
    if "data.shuffle_pixels" in flags:
        consequences += ["pixels"]
    if "data" in flags:
        consequences += ["arrays.train", "arrays.test", "splits.train", "splits.val", "splits.test", "classes"]
    return [change for change in found if change.key not in consequences]


def facts(record: Record) -> dict[str, Any]:
    """What a record says besides the options, under flat keys."""
    data, place = record.get("data", {}), record.get("place", {})
    code = record.get("code", {})
    return {
        **{f"arrays.{name}": value for name, value in data.get("arrays", {}).items()},
        **{f"splits.{name}": value for name, value in data.get("splits", {}).items()},
        "pixels": data.get("pixels"),
        "classes": data.get("classes") or data.get("class_digest"),
        "code": code.get("source") or " ".join(filter(None, (code.get("commit"), code.get("changes")))) or None,
        **{f"versions.{name}": value for name, value in record.get("versions", {}).items()},
        **{name: place.get(name) for name in ("device", "devices", "threads", "processor")},
    }


def effects(record: Record) -> dict[str, Any]:
    """What the options that may be left open came to, by option; none where no data have been read."""
    data = record.get("data", {})
    known = {**data.get("images", {}), "batch_size": data.get("batch_size")}
    return {key: known[name] for key, name in BY_EFFECT.items() if known.get(name) is not None}


def flags_of(config: Any) -> Flags:
    """A resolved configuration with dotted keys, as flags have them: {"model": "MLP", "model.hidden": [16], …}."""
    flat: Flags = {}

    def add(key: str, value: Any) -> None:
        if key in ("trainer.callbacks", "trainer.logger") and isinstance(value, list | Mapping | str):
            for i, item in enumerate(value if isinstance(value, list) else [value]):  # one alone is a list of one
                name = str(item.get("class_path") if isinstance(item, Mapping) else item).rpartition(".")[2]
                again = f"#{i}" if f"{key}.{name}" in flat else ""
                add(f"{key}.{name}{again}", item)
        elif isinstance(value, Mapping) and "class_path" in value:
            path = str(value["class_path"])
            flat[key] = short_class(path) if key in ("data", "model") else path
            for part in ("init_args", "dict_kwargs"):
                inner = value.get(part)
                for name, item in (inner if isinstance(inner, Mapping) else {}).items():
                    add(f"{key}.{name}", item)
        elif key == "trainer" and isinstance(value, Mapping):
            for name, item in value.items():
                add(f"trainer.{name}", item)
        elif key != "trainer.callbacks":
            flat[key] = value

    for key, value in config.items() if isinstance(config, Mapping) else ():
        add(str(key), value)
    return flat


def short_class(path: str) -> str:
    """One of the zoo's own classes without its module: as it may be typed, and wherever its file lies."""
    return path.rpartition(".")[2] if path.startswith(("zoo.", "datamodules.")) else path


def default_of_option(key: str, config: Record) -> Any:
    """What an option was where a record does not have it: the default."""
    if key in BEFORE:
        return BEFORE[key]
    owner, _, name = key.rpartition(".")
    if owner == "trainer":
        return default(Trainer, name)
    held: Any = config
    for part in owner.split("."):
        if not isinstance(held, Mapping):
            return None
        held = held.get(part) if part in held else (held.get("init_args") or {}).get(part)
    path = str(held.get("class_path", "")) if isinstance(held, Mapping) else ""
    module, _, class_name = path.rpartition(".")
    return default(getattr(sys.modules.get(module), class_name, None), name)  # imported, as the run is made of it


def default(kind: Any, name: str) -> Any:
    """The default of an argument of a class, or of one that it hands on to; None if there is none."""
    for each in inspect.getmro(kind) if inspect.isclass(kind) else ():
        parameter = inspect.signature(vars(each).get("__init__", object.__init__)).parameters.get(name)
        if parameter is not None:
            return None if parameter.default is inspect.Parameter.empty else parameter.default
    return None


def same_value(key: str, then: Any, now: Any) -> bool:
    """Whether two values of an option mean the same."""
    values = []
    for value in (then, now):
        table = ALIKE.get(key, {})
        known = table.get(value, value) if isinstance(value, str | int | float | None) else value
        values.append(list(known) if isinstance(known, tuple) else known)
    if all(isinstance(value, str) and value.startswith("zoo.") for value in values):
        values = [short_class(str(value)) for value in values]
    if key in SHARES and values[0] == 1 and type(values[0]) is not type(values[1]):
        return False
    booleans = [isinstance(value, bool) for value in values]
    return bool(values[0] == values[1]) and booleans[0] == booleans[1]


def is_number(value: Any) -> bool:
    """Whether it is a number, or a list of them."""
    if isinstance(value, list | tuple):
        return all(map(is_number, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_flag(key: str) -> bool:
    """Whether a key stands for an option."""
    return key.partition(".")[0] in RECORDED


def display_name(key: str) -> str:
    """A key as it is told: options as flags."""
    if is_flag(key):
        return f"--{key}"
    part = key.partition(".")[2]
    return {
        "arrays": f"{part} images",
        "splits": f"choice of {part} images",
        "versions": part,
        "pixels": "order of the pixels",
        "code": "code",
    }.get(key.partition(".")[0], key)


def format_setting(value: Any) -> str:
    """A value as it is typed, cut to a readable length, with nothing that a terminal would obey."""
    if isinstance(value, tuple):
        value = list(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def check_same_experiment(changes: Iterable[Change], run: Path, *, stretch: bool = False) -> None:
    """Raises UsageError if some of the changes make another experiment, naming each key with both values.

    Args:
        changes: all there are.
        run: the run's folder or checkpoint.
        stretch: whether the learning rate may be laid out over another length.
    """
    wrong = [change for change in changes if change.kind == ANOTHER or (change.kind == LENGTH and not stretch)]
    if not wrong:
        return
    expected, found = (
        ", ".join(f"{display_name(c.key)} {format_setting(getattr(c, side))}" for c in wrong)
        for side in ("then", "now")
    )
    names = ", ".join(display_name(change.key) for change in wrong)
    if all(change.kind == LENGTH for change in wrong):
        raise UsageError(
            f"length in {names}: expected {expected}, over which the schedule of the run in {run} is laid out,"
            f" found {found}. Try: {expected}, or --resume_schedule stretch, which lays it out over the new length"
        )
    flags = [change for change in wrong if is_flag(change.key)]
    typed = len(flags) < 4 and not any(change.key.startswith("trainer.callbacks") for change in flags)
    same = (
        ", ".join(f"{display_name(c.key)} {format_setting(c.then)}" for c in flags)
        if typed
        else "those of its config.yaml"
    )
    same = same or "the images and classes it was trained on"
    raise UsageError(
        f"settings in {names}: expected {expected}, as in the run in {run}, found {found}, which makes another"
        f" experiment. Try: {same}, or another --run_dir"
    )


def format_changes(changes: Iterable[Change]) -> list[str]:
    """What may change and has, in one line, and what is no longer bit for bit, in another."""
    changes = list(changes)
    settings = [str(c) for c in changes if c.kind in (MAY, LENGTH)]
    exact = [str(c) for c in changes if c.kind == EXACT]
    lines = []
    if settings:
        lines.append(f"changed since the last start: {', '.join(settings)}")
    if exact:
        lines.append(f"no longer bit for bit as one straight run: {', '.join(exact)}")
    return lines


def read_identity(path: Path) -> dict[str, Any]:
    """The record in a file; empty if there is none.

    Raises:
        ValueError: it is not one.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST + 1)
        if len(raw) > LONGEST:
            raise ValueError(f"more than {LONGEST:,} bytes")
        return check_record(json.loads(raw))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError, OSError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ValueError(
            f"identity in {path}: expected a record of a run, found another ({reason}). Try: without it"
        ) from error


def past_of(content: Mapping[str, Any], checkpoint: Path, config: Path) -> dict[str, Any]:
    """What a checkpoint says of its run; of an older one, what its config.yaml and its data module's state say.

    Args:
        content: of the checkpoint.
        checkpoint: its file.
        config: config.yaml of its run.

    Raises:
        UsageError: it says something that no run says.
    """
    if "identity" in content:
        try:
            return check_record(content["identity"])
        except ValueError as error:
            raise UsageError(
                f"identity in {checkpoint}: expected a record of a run, found another ({str(error)[:160]})."
                " Try: another checkpoint"
            ) from error
    past: dict[str, Any] = {"data": older_data(content)}
    try:
        held = yaml.safe_load(config.read_text())
    except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError):  # the parser has the better words for it
        held = None
    if isinstance(held, dict):
        past["config"] = held
    else:
        known = content.get("hyper_parameters", {})
        arguments = {
            key: value for key, value in known.items() if key not in ("in_shape", "num_classes") and key[:1] != "_"
        }
        if isinstance(known.get("_class_path"), str):
            past["config"] = {"model": {"class_path": known["_class_path"], "init_args": arguments}}
    try:
        return check_record({**past, "schema": 0})
    except ValueError:  # nothing that could be compared
        return {}


def older_data(content: Mapping[str, Any]) -> dict[str, Any]:
    """What checkpoints without a record know of their data: the state of the data module, under its class's name."""
    for name, state in content.items():
        if name[:1].isupper() and isinstance(state, dict) and {"batch_size", "images"} <= state.keys():
            known = {key: state[key] for key in ("mean", "std") if key in state}
            if type(state["batch_size"]) is int and type(state["images"]) is int:
                known |= {"batch_size": state["batch_size"], "images": {"train": state["images"]}}
            return known
    return {}


def check_record(record: Any) -> dict[str, Any]:
    """The record if it has the form of one: plain values, not too many, in their places; raises ValueError if not."""
    if not isinstance(record, dict) or type(record.get("schema")) is not int:
        raise ValueError("no record with a schema")
    for count, value in enumerate(all_within(record), 1):
        if not (value is None or type(value) in (bool, int, float, str)) or count > MOST_VALUES:
            raise ValueError(f"a {type(value).__name__}" if count <= MOST_VALUES else "too many values")
        if isinstance(value, str) and len(value) > MOST_TEXT:
            raise ValueError(f"a text of {len(value):,} characters")
    for key in ("config", "data", "code", "versions", "place"):
        check_kind(record, key, dict)
    for key in ("trainer", "data", "model"):
        check_kind(record.get("config", {}), key, dict)
    data = record.get("data", {})
    for key, kind, inner in (
        ("arrays", dict, str),
        ("splits", dict, str),
        ("images", dict, int),
        ("classes", list, str),
    ):
        check_kind(data, key, kind)
        values: Any = data.get(key) or ()
        if not all(type(value) is inner for value in (values.values() if kind is dict and values else values)):
            raise ValueError(f"something else than {inner.__name__} in {key}")
    check_kind(data, "batch_size", int)
    return record


def check_kind(held: Any, key: str, kind: type) -> None:
    """Raises ValueError if there is something of another kind under a key."""
    if held.get(key) is not None and type(held[key]) is not kind:
        raise ValueError(f"{type(held[key]).__name__} as {key}")


def table() -> str:
    """The rules as a table in Markdown, in the order in which they are tried."""
    lines = ["| keys | a run that goes on | weights that are scored | because |", "|---|---|---|---|"]
    for rule in RULES:
        keys = " ".join(f"`{key}`" for key in rule.keys.split())
        lines.append(f"| {keys} | {rule.resumed} | {rule.scored} | {rule.reason} |")
    return "\n".join(lines)
