"""Attacks by what a card says: code that it names, text that a terminal would obey, numbers that are none."""

from typing import Any

from attacks.weights.corpus import Weights, attack

BOTH = "show ask hub"


@attack(BOTH)
def a_class_of_other_code(scene: Weights) -> None:
    """Names a function of the system as its network."""
    scene.card["model"]["class_path"] = scene.either("os.system", "zoo.mlp.MLP")
    scene.save()


@attack("show ask")
def a_class_of_the_zoo_that_is_no_network(scene: Weights) -> None:
    """Names another class of this project."""
    scene.card["model"]["class_path"] = scene.either("zoo.loggers.Wandb", "zoo.mlp.MLP")
    scene.save()


@attack(BOTH)
def an_activation_that_is_code(scene: Weights) -> None:
    """Names a function where an activation may be named."""
    path = scene.either("os.system", "torch.nn.Tanh")
    scene.argument(activation={"class_path": path, "init_args": {}})


@attack("show ask")
def an_activation_of_a_module_of_ones_own(scene: Weights) -> None:
    """Names a module that an import would run."""
    path = scene.either("canary_module.Layer", "torch.nn.ReLU")
    scene.argument(activation={"class_path": path, "init_args": {}})


@attack("show ask")
def an_activation_that_makes_layers(scene: Weights) -> None:
    """Names a class of torch.nn that makes as many layers as it is told."""
    hostile = {"class_path": "torch.nn.Transformer", "init_args": {"num_encoder_layers": 10**6}}
    scene.argument(activation=scene.either(hostile, {"class_path": "torch.nn.ELU", "init_args": {"alpha": 0.5}}))


@attack("show ask")
def an_object_within_an_activation(scene: Weights) -> None:
    """Hands an object to an activation."""
    slope: Any = scene.either({"class_path": "os.system", "init_args": {"command": "touch canary"}}, 0.2)
    scene.argument(activation={"class_path": "torch.nn.LeakyReLU", "init_args": {"negative_slope": slope}})


@attack("ask")
def an_activation_with_another_word(scene: Weights) -> None:
    """Hands a word to an activation that it does not take."""
    arguments = scene.either({"hook": "print"}, {"inplace": True})
    scene.argument(activation={"class_path": "torch.nn.ReLU", "init_args": arguments})


@attack("ask")
def an_argument_that_nobody_knows(scene: Weights) -> None:
    """Hands an argument to the network that it does not have."""
    scene.argument(**scene.either({"hook": "print"}, {}))


@attack("show ask")
def an_argument_that_is_a_mapping(scene: Weights) -> None:
    """Hands a mapping to the network where it takes a number."""
    scene.argument(dropout=scene.either({"a": 1}, 0.0))


@attack("show ask")
def a_key_that_nobody_knows(scene: Weights) -> None:
    """Has a key that a later version may obey."""
    scene.update(**scene.either({"hook": "os.system"}, {}))


@attack("show ask")
def a_key_that_is_there_twice(scene: Weights) -> None:
    """Says one name to whoever reads the first, and another to whoever reads the last."""
    scene.save(lambda text: text.replace('"name":', scene.either('"name": "other", "name":', '"name":'), 1))


@attack("show ask")
def lists_within_lists(scene: Weights) -> None:
    """Is nested deeper than a reader can follow."""
    depth = scene.either(2_000, 0)
    scene.save(lambda text: text.replace("[4]", "[" * depth + "[4]" + "]" * depth))


def sayings(name: str, hostile: str, benign: str = "cat") -> None:
    """Has a text as the name of a class, and as a note."""

    def spoil(scene: Weights) -> None:
        text = scene.either(hostile, benign)
        scene.update(classes=[text, "dog", "owl"], data_note=text)

    spoil.__name__ = name
    attack(BOTH)(spoil)


sayings("text_that_clears_the_screen", "\x1b[2J\x1b[H")
sayings("text_that_changes_the_title", "\x1b]0;mine\x07")
sayings("text_that_runs_backwards", "cat\u202egod")
sayings("text_of_two_lines", "cat\nerror: all is well")
sayings("text_that_nobody_sees", "c\u200bat")
sayings("text_that_is_half_a_letter", "\ud800", "🐈")
sayings("text_without_end", "cat" * 1_000)


@attack("show ask")
def a_name_that_is_a_path(scene: Weights) -> None:
    """Is called by a place outside of its folder."""
    scene.update(name=scene.either("../../home/thesis", "tiny-2.0"))


@attack("show ask")
def names_that_are_the_same(scene: Weights) -> None:
    """Calls two classes alike."""
    scene.update(classes=["cat", scene.either("cat", "dog"), "owl"])


@attack("show ask")
def a_scale_that_is_no_number(scene: Weights) -> None:
    """Has NaN, which JSON does not know and Python reads."""
    scene.save(lambda text: text.replace('"shift": [0.0]', f'"shift": [{scene.either("NaN", "0.5")}]'))


@attack("show ask")
def a_scale_without_end(scene: Weights) -> None:
    """Has a number that is infinite once it is read."""
    scene.save(lambda text: text.replace('"shift": [0.0]', f'"shift": [{scene.either("1e999", "1e3")}]'))


@attack("show ask")
def a_number_of_very_many_digits(scene: Weights) -> None:
    """Has a number that takes long to read."""
    scene.save(lambda text: text.replace('"test_n": 12', f'"test_n": {scene.either("9" * 10_000, "9" * 3)}'))


@attack("show ask")
def a_scale_of_zero(scene: Weights) -> None:
    """Makes all images alike."""
    scene.update(scale=[scene.either(0.0, 1.0)])


@attack("show ask")
def an_accuracy_above_all(scene: Weights) -> None:
    """Claims more than there is."""
    scene.update(test_accuracy=scene.either(1.01, 1))


@attack("show ask")
def an_accuracy_in_words(scene: Weights) -> None:
    """Has a text where the page of the Hub has a number."""
    scene.update(test_accuracy=scene.either("banana", None))


@attack("show ask")
def an_order_of_pixels_that_is_none(scene: Weights) -> None:
    """Looks at one pixel only, or beyond the image."""
    scene.update(pixels=scene.either([64] * 64, [*range(64)][::-1]))


@attack("show ask")
def a_recipe_without_its_numbers(scene: Weights) -> None:
    """Lacks what the page shows."""
    full = {"mean": 0.5, "half_width": 0.1, "seeds": 5}
    scene.update(recipe="x", recipe_accuracy=scene.either({"mean": 0.5}, full))


@attack("show ask")
def channels_that_do_not_fit(scene: Weights) -> None:
    """Has constants for other channels than the images have."""
    scene.update(shift=scene.either([0.0, 0.0, 0.0], [0.0]))


@attack("show ask")
def a_card_that_is_no_text(scene: Weights) -> None:
    """Has bytes that are no letters."""
    if scene.hostile:
        scene.card_path.write_bytes(bytes(range(256)))


@attack("show ask")
def a_card_that_is_a_list(scene: Weights) -> None:
    """Is JSON, and no card."""
    scene.save(lambda text: scene.either("[1]", text))


@attack("show ask")
def a_card_without_its_classes(scene: Weights) -> None:
    """Lacks what is needed."""
    if scene.hostile:
        del scene.card["classes"]
    scene.save()


@attack("ask")
def a_sum_of_other_weights(scene: Weights) -> None:
    """Is the card of other weights."""
    scene.update(**scene.either({"sha256": "0" * 64}, {}))


@attack("show ask")
def a_sum_that_is_none(scene: Weights) -> None:
    """Has a text of the length of a sum."""
    scene.update(**scene.either({"sha256": "x" * 64}, {}))
