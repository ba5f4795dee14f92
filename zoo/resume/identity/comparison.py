"""What has changed between two records of a run: its options, its data, and what computes it."""

from collections.abc import Iterable, Sequence

from zoo.errors import UsageError
from zoo.resume.identity.changes import Change, format_setting
from zoo.resume.identity.options import Record, default_of_option, effects, facts, flags_of, is_number, same_value
from zoo.resume.identity.rules import ANOTHER, BEFORE, BY_EFFECT, FREE, LENGTH, MAY, NUMBER, rule_of


def compare(then: Record, now: Record) -> list[Change]:
    """What has changed between two starts of a run, key by key; what is the same is left out.

    Args:
        then: a record; what it does not have is not compared, an option counts as the default.
        now: another; it may lack what is not known yet.
    """
    changes = [change for change in changed_flags(then, now) if rule_of(change.key).resumed != FREE]
    found = [with_kind(change, rule_of(change.key).resumed, now) for change in changes]
    others = changed_facts(then, now, {change.key for change in found})
    if any(change.key == "arrays.train" for change in others):  # other images are another number of them as well
        old, new = flags_of(then.get("config")), flags_of(now.get("config"))
        found = [c for c in found if c.key not in BY_EFFECT or old.get(c.key) != new.get(c.key)]
    return found + others


def with_kind(change: Change, kind: str, now: Record) -> Change:
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
    """The note, if images or labels that are scored are not those of the run; raises UsageError for other classes.

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
    return f"other {split} images or labels than those of the run: {found}, where it had {expected}"


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
        if not all(config and (key in BEFORE or key.split(".")[0] in config) for config in configs):
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
        flags: options that differ, whose consequences are not reported again.
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
