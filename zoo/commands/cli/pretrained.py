"""`--model.weights NAME|RUN|DIR`: a new run that starts from trained weights.

    card of the weights  ->  arguments of the network and normalisation, where the words do not give any
    made model           ->  filled with them; what had to be changed is said in one line

A run that goes on has its own weights: it asks for the others again only if another name is given, and refuses others.
"""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from jsonargparse import Namespace, dict_to_namespace

from zoo.commands.cli.state import RunState
from zoo.config.config_files import short
from zoo.errors import UsageError, report
from zoo.training.classifier import Classifier
from zoo.training.pretrained import check_class, start_from, statistics
from zoo.weights.fields import is_argument
from zoo.weights.hub.address import is_address
from zoo.weights.loading import card_in, load
from zoo.weights.store import list_weights

OF_TRAINING = frozenset(signature(Classifier).parameters)  # arguments of a model that are none of its network
BY_WEIGHTS = "weights"  # value of --data.normalize


class StartsFromWeights(RunState):
    """Finds the weights that a run starts from, and puts them into its model."""

    def _settle_weights(self, past: Mapping[str, Any]) -> None:
        """Finds the weights, and lets them say what the words leave open.

        Args:
            past: the record of the run that goes on; empty if none does.

        Raises:
            UsageError: there are no such weights, or they are not of this network, or not those of the run.
        """
        model = self.options["model"]["init_args"]
        named = model.get("weights")
        held, before = past.get("weights") or {}, arguments_of(past, "model")
        if past and named is not None and named in (before.get("weights"), held.get("given")):
            model["weights"] = before.get("weights")
            known = all(isinstance(held.get(key), str) for key in ("name", "sha256"))
            self.started_from = held if known else None
            of_network = {name: value for name, value in before.items() if name not in OF_TRAINING}
            self._fill(of_network, arguments_of(past, "data").get("normalize"))
            return
        if named is None:
            if past and held:
                raise UsageError(otherwise(before.get("weights"), held, "null", "none"))
            self._check_normalize()
            return
        found, remote = card_in(named), is_address(named)
        trained = load(found, runtime="torch")
        card = trained.card
        check_class(self.options["model"]["class_path"], card)
        name = named if remote or named in list_weights() else card["name"]  # of this machine no path
        if past and card["sha256"] != held.get("sha256"):
            raise UsageError(otherwise(before.get("weights"), held, named, card["sha256"]))
        self.started_from = {"given": named, "name": name, "sha256": card["sha256"]}
        if remote:  # which no file may name: the copy here is named in its place
            model["weights"] = short(found)
        self._fill(card["model"]["init_args"], BY_WEIGHTS)
        if not past:
            self.trained = trained

    def _check_normalize(self) -> None:
        """Raises UsageError for images that are to look as those of weights did, without weights."""
        if self.options["data"]["init_args"].get("normalize") == BY_WEIGHTS:
            raise UsageError(
                "normalisation in --data.normalize: expected weights to take its numbers from (--model.weights), found"
                " none. Try: --data.normalize standard"
            )

    def _fill(self, arguments: Mapping[str, Any], normalize: Any) -> None:
        """Gives model and data the arguments that no word and no file has given.

        They may be a stranger's: only what a card may hold is taken.
        """
        verb, words = ([*self.completed[:1]], self.completed[1:]) if self.subcommand else ([], self.completed)
        seed = "--seed_everything=0"  # which is handed on to the data
        given = self.parser.parse_args([*verb, seed, *words], defaults=False)
        given = given[verb[0]] if verb else given
        for key, values in (("model", arguments), ("data", {"normalize": normalize})):
            options, said = self.options[key]["init_args"], given.get(f"{key}.init_args") or Namespace()
            for name, value in values.items():
                if name in options and name not in said and is_argument(value) and value is not None:
                    options[name] = dict_to_namespace(value) if isinstance(value, Mapping) else value

    def _start_from_weights(self) -> None:
        """Puts the weights into the model that was made, and their normalisation into the data."""
        if self.trained is None:
            return
        card, data = self.trained.card, self.datamodule
        normalize = getattr(data, "normalize", None)
        self._check_pixels(card["pixels"])
        if normalize == BY_WEIGHTS:
            data.trained_with(statistics(card, data.in_shape[0]))
        names = [str(name) for name in data.classes] if hasattr(data, "classes") else None
        notes = start_from(self.model, self.trained, self.model.frozen, names)
        if normalize != BY_WEIGHTS:
            notes.insert(0, f"--data.normalize {normalize} in the place of theirs ({card['normalize']})")
        if not self.said:
            report(f"starts from {card['name']} ({card['sha256'][:12]}…): {'; '.join(notes)}")
        self.said = True

    def _check_pixels(self, order: list[int] | None) -> None:
        """Raises UsageError for weights of images whose pixels were in another order."""
        shuffled = getattr(self.datamodule, "shuffle_pixels", None) is not None
        if order is None or (shuffled and self.datamodule.held.permutation().tolist() == order):
            return
        raise UsageError(
            "order of pixels in --data.shuffle_pixels: expected that of the images that the weights were trained on,"
            " found another. Try: --data.shuffle_pixels SEED of their run, or other weights"
        )


def arguments_of(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What model or data of a run were made with, as its record says; nothing if it says something else."""
    part = (record.get("config") or {}).get(key)
    found = part.get("init_args") if isinstance(part, dict) else None
    return found if isinstance(found, dict) else {}


def otherwise(before: Any, held: Mapping[str, Any], now: Any, found: str) -> str:
    """The message for a run that goes on, and is to have started from other weights than it did."""
    name = before or "null"
    expected = f"{name} ({str(held.get('sha256'))[:12]}…)" if held else "none"
    there = f"{now} ({found[:12]}…)" if found != "none" else "none"
    return (
        f"weights in --model.weights: expected {expected}, which the run started from, found {there}."
        f" Try: --model.weights {name}, or another --run_dir"
    )
