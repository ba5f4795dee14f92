"""Attacks by states of the training: moments, counters, schedules, results that are of another run, or of none."""

from collections.abc import Callable
from typing import Any

import torch

from attacks.checkpoints.corpus import attack
from attacks.scene import Scene
from zoo.checkpoints.storage import serialised


def state(*keys: Any) -> Callable[[Scene, Any], None]:
    """A place in the content, to be changed."""

    def change(scene: Scene, value: Any) -> None:
        at = scene.content
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = scene.either(value, at[keys[-1]])
        scene.save()

    return change


MOMENTS = ("optimizer_states", 0, "state", 0)
GROUP = ("optimizer_states", 0, "param_groups", 0)
FIT_LOOP = ("loops", "fit_loop")


@attack("fit")
def moments_too_short(scene: Scene) -> None:
    """Has one number where the fused optimiser writes thousands: beyond the end, into the process."""
    state(*MOMENTS, "exp_avg")(scene, torch.zeros(1))


@attack("fit")
def moments_at_the_end_of_their_storage(scene: Scene) -> None:
    """Has the right shape, but begins at the last number of its storage."""
    shape = scene.content["optimizer_states"][0]["state"][0]["exp_avg"].shape
    state(*MOMENTS, "exp_avg")(scene, torch.zeros(shape.numel()).as_strided(shape, (0, 0), shape.numel() - 1))


@attack("fit")
def moments_in_another_order(scene: Scene) -> None:
    """Has its numbers by column, where the fused optimiser goes by row."""
    shape = scene.content["optimizer_states"][0]["state"][0]["exp_avg"].shape
    state(*MOMENTS, "exp_avg")(scene, torch.rand(shape[::-1]).t())


@attack("fit")
def moments_that_share_their_memory(scene: Scene) -> None:
    """Has one tensor for both averages, which would be written twice a step."""
    state(*MOMENTS, "exp_avg")(scene, scene.content["optimizer_states"][0]["state"][0]["exp_avg_sq"])


@attack("fit")
def moments_of_text(scene: Scene) -> None:
    """Has a text for a tensor."""
    state(*MOMENTS, "exp_avg")(scene, "none")


@attack("fit")
def moments_that_are_no_numbers(scene: Scene) -> None:
    """Has nan in an average: the weights would be lost at the first step."""
    state(*MOMENTS, "exp_avg_sq")(scene, scene.content["optimizer_states"][0]["state"][0]["exp_avg_sq"] * float("nan"))


@attack("fit")
def no_moments(scene: Scene) -> None:
    """Leaves out all averages: the optimiser would begin anew without a word."""
    state("optimizer_states", 0, "state")(scene, {})


@attack("fit")
def a_learning_rate_of_text(scene: Scene) -> None:
    """Has a text for the learning rate."""
    state(*GROUP, "lr")(scene, "0.1")


@attack("fit")
def a_learning_rate_of_nan(scene: Scene) -> None:
    """Has no number for the learning rate."""
    state(*GROUP, "lr")(scene, float("nan"))


@attack("fit")
def an_optimiser_that_climbs(scene: Scene) -> None:
    """Turns a switch: the loss would be maximised, though all settings say otherwise."""
    state(*GROUP, "maximize")(scene, True)


@attack("fit")
def a_setting_too_many(scene: Scene) -> None:
    """Adds a setting with the name of a method."""
    if scene.hostile:
        scene.content["optimizer_states"][0]["param_groups"][0]["step"] = 1
    scene.save()


@attack("fit")
def parameters_in_another_order(scene: Scene) -> None:
    """Gives each parameter the averages of another."""
    state(*GROUP, "params")(scene, [1, 0, 3, 2])


@attack("fit")
def no_schedule(scene: Scene) -> None:
    """Leaves out the schedule: it would begin anew without a word."""
    state("lr_schedulers")(scene, [])


@attack("fit")
def a_schedule_with_another_step(scene: Scene) -> None:
    """Overwrites a method of the schedule, as torch sets any attribute that it finds."""
    if scene.hostile:
        scene.content["lr_schedulers"][0]["step"] = "x"
    scene.save()


@attack("fit")
def a_schedule_of_text(scene: Scene) -> None:
    """Has a text for the number of steps."""
    state("lr_schedulers", 0, "last_epoch")(scene, "1")


@attack("fit")
def counters_of_text(scene: Scene) -> None:
    """Has a text for the number of batches."""
    state(*FIT_LOOP, "epoch_loop.batch_progress", "current", "ready")(scene, "2")


@attack("fit")
def counters_below_nothing(scene: Scene) -> None:
    """Has a negative number of epochs: the training would go on for longer than was asked for."""
    state(*FIT_LOOP, "epoch_progress", "current", "completed")(scene, -1000)


@attack("fit")
def counters_beyond_the_end(scene: Scene) -> None:
    """Has had more epochs than were asked for."""
    state(*FIT_LOOP, "epoch_progress", "current", "completed")(scene, 10**12)


@attack("fit")
def a_counter_with_another_method(scene: Scene) -> None:
    """Overwrites a method that is called at the end of the epoch, when all seems well."""
    if scene.hostile:
        scene.content["loops"]["fit_loop"]["epoch_progress"]["increment_completed"] = 0
        scene.content["loops"]["fit_loop"]["epoch_progress"]["current"]["reset"] = 0
    scene.save()


@attack("fit")
def no_counters(scene: Scene) -> None:
    """Leaves out the counters: trained weights would begin at the first epoch."""
    if scene.hostile:
        del scene.content["loops"]
    scene.save()


@attack("fit", inert=True)
def a_loader_at_a_text(scene: Scene) -> None:
    """Has a text for the place in the epoch, of which nothing is taken up when the epoch is over."""
    state(*FIT_LOOP, "state_dict")(scene, {"combined_loader": [{"position": "%d"}]})


@attack("test predict", inert=True)
def an_evaluation_half_done(scene: Scene) -> None:
    """Overwrites a counter's method in the loops of test and prediction, which are not taken up."""
    for name in ("test_loop", "predict_loop"):
        if scene.hostile:
            scene.content["loops"][name]["batch_progress"]["current"]["reset"] = 0
    scene.save()


@attack("predict", inert=True)
def a_prediction_almost_done(scene: Scene) -> None:
    """Says that all images but the last have been predicted."""
    progress = scene.content["loops"]["predict_loop"]["batch_progress"]
    for counts in (progress["current"], progress["total"]):
        counts.update(dict.fromkeys(counts, scene.either(1, 0)))
    scene.save()


@attack("fit")
def seconds_of_text(scene: Scene) -> None:
    """Has a text for the seconds, which fails at the end of the epoch."""
    state("callbacks", "EpochLines", "seconds")(scene, "1")


@attack("fit")
def the_best_of_text(scene: Scene) -> None:
    """Has a text for the best accuracy."""
    state("callbacks", "KeepBest", "accuracy")(scene, "high")


@attack("fit")
def the_best_beyond_all(scene: Scene) -> None:
    """Has a best accuracy that is never beaten, so that the last weights would pass for the best."""
    state("callbacks", "KeepBest", "accuracy")(scene, 2.0)


@attack("fit")
def patience_of_text(scene: Scene) -> None:
    """Has a text for the patience of a callback of Lightning's, which fails at the first validation."""
    scene.add_callback("EarlyStopping", monitor="val/loss", patience=3)
    early = "EarlyStopping{'monitor': 'val/loss', 'mode': 'min'}"
    numbers = {"wait_count": 0, "stopped_epoch": 0, "best_score": torch.tensor(9.0), "patience": 3}
    rest = {"stopping_reason": 0, "stopping_reason_message": None}
    scene.content["callbacks"][early] = {**numbers, **rest, "patience": scene.either("x", 3)}
    scene.save()


@attack("test")
def statistics_of_another_shape(scene: Scene) -> None:
    """Has two means for one channel."""
    state("Digits", "mean")(scene, [0.1, 0.2])


@attack("test")
def a_deviation_of_nothing(scene: Scene) -> None:
    """Has a standard deviation of 0: every pixel becomes infinite."""
    state("Digits", "std")(scene, [0.0])


@attack("test")
def statistics_of_text(scene: Scene) -> None:
    """Has a text for the mean."""
    state("Digits", "mean")(scene, "0.1")


@attack("fit")
def a_batch_size_of_text(scene: Scene) -> None:
    """Has a text for the size of a batch."""
    state("Digits", "batch_size")(scene, "32\nTraceback")


@attack("fit")
def a_tally_of_other_classes(scene: Scene) -> None:
    """Has counts of three classes for an epoch that goes on with ten."""
    if scene.hostile:
        scene.content["tally"] = {"confusion": torch.zeros(1, 9, dtype=torch.int64), "loss": torch.zeros(1)}
    scene.save()


@attack("fit")
def a_tally_of_text(scene: Scene) -> None:
    """Has a text for the counts."""
    if scene.hostile:
        scene.content["tally"] = {"confusion": "x", "loss": "y"}
    scene.save()


@attack("fit")
def a_row_without_a_step(scene: Scene) -> None:
    """Has results of the last epoch that belong to no step."""
    if scene.hostile:
        del scene.content["row"]["step"]
    scene.save()


@attack("fit")
def a_row_of_text(scene: Scene) -> None:
    """Has a text among the results of the last epoch."""
    state("row", "val/loss")(scene, "=cmd|'/c calc'!A1")


@attack("fit")
def results_of_text(scene: Scene) -> None:
    """Has a text for the results that go into result.json at the end."""
    state("results", "val")(scene, "the best")


@attack("fit")
def an_ending_without_a_reason(scene: Scene) -> None:
    """Has a text that nobody knows for the reason why training ended."""
    state("ending", "reason")(scene, "because")


@attack("fit")
def an_ending_that_writes_to_the_terminal(scene: Scene) -> None:
    """Has an escape sequence in what is shown under the table."""
    state("ending", "message")(scene, "\033]0;owned\a")


@attack("fit")
def an_ending_of_more_steps(scene: Scene) -> None:
    """Says that more steps were made than there were."""
    state("ending", "steps")(scene, 10**9)


@attack("fit")
def an_ending_that_chose_elsewhere(scene: Scene) -> None:
    """Has a path for the checkpoint that was chosen."""
    state("ending", "chosen")(scene, str(scene.thesis))


@attack("fit")
def a_total_of_no_steps(scene: Scene) -> None:
    """Lays the schedule out over nothing."""
    state("total_steps")(scene, 0)


@attack("test")
def a_version_of_long_ago(scene: Scene) -> None:
    """Comes from Lightning 0.9, for which Lightning writes paths into callbacks after the checks."""
    if scene.hostile:
        scene.content["checkpoint_callback_best_model_path"] = str(scene.thesis)
    state("pytorch-lightning_version")(scene, "0.9.0")


@attack("test")
def a_version_of_text(scene: Scene) -> None:
    """Has no version."""
    state("pytorch-lightning_version")(scene, "newest")


@attack("test")
def a_negative_step(scene: Scene) -> None:
    """Was saved before the first step."""
    state("global_step")(scene, -1)


@attack("test")
def an_epoch_of_text(scene: Scene) -> None:
    """Has a text for the epoch."""
    state("epoch")(scene, "1")


@attack("fit")
def an_end_of_another_model(scene: Scene) -> None:
    """Has a best.ckpt of another network, which is tested only when the training is over."""
    scene.content["callbacks"]["KeepBest"]["accuracy"] = 1.0
    scene.save()
    if scene.hostile:
        other = {**scene.content, "state_dict": {"net.1.weight": torch.zeros(3, 3)}}
        scene.run.best.write_bytes(serialised(other))
