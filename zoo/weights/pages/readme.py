"""A card as README.md in the form of the Hugging Face Hub: what machines read of it as YAML, then Markdown for people.

    card  ->  ---
              license: mit
              model-index: [{name: mnist_lenet, results: [{task, dataset, metrics: [{type: accuracy, value: 0.9922}]}]}]
              ---
              # mnist_lenet …

Written here and not by the Hub's client, which takes any value for an accuracy. Texts of a card are shown, not obeyed.
"""

from pathlib import Path
from typing import Any

import yaml

from zoo.files import whole_file
from zoo.prepare import WAYS
from zoo.studies.plain_text import escaped
from zoo.weights.card import Card
from zoo.weights.pages.report import described_data, percent

NAME = "README.md"
PLACE = "USER/REPO"  # of weights that are not on the Hub yet
LIBRARY = "small-image-zoo"
TASK = "image-classification"
DATASETS = {  # data of a card -> their name on the Hub
    "MNIST": "ylecun/mnist",
    "FashionMNIST": "zalando-datasets/fashion_mnist",
    "CIFAR10": "uoft-cs/cifar10",
}
ORIGINALS = {"CIFAR-10, JPEG copy": "CIFAR10"}  # copies that are not as the original
LICENCES = {"MIT": "mit", "Apache-2.0": "apache-2.0", "BSD-3-Clause": "bsd-3-clause", "CC-BY-4.0": "cc-by-4.0"}
PREPARED = {
    "photo": "the whole picture is shrunk, antialiased, its aspect kept; beside it the colour of its edge",
    "digits": "ink of any colour is found; its longer side becomes 20 of 28 pixels, its centre of mass the middle",
}
MOST_CLASSES = 100  # that are listed

assert PREPARED.keys() == WAYS.keys()


def readme(card: Card, place: str = PLACE) -> str:
    """The page of a card.

    Args:
        card: a card.
        place: where it lies on the Hub.
    """
    front = yaml.safe_dump(metadata(card), sort_keys=False, allow_unicode=True, width=1000)
    sections = (title(card), use(card, place), size_and_cost(card), weaknesses(card), input_section(card), origin(card))
    return f"---\n{front}---\n\n" + "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def metadata(card: Card) -> dict[str, Any]:
    """What the Hub's machines read."""
    licence, data = card.get("licence"), str(card.get("data", "own images"))
    found: dict[str, Any] = {"library_name": LIBRARY, "pipeline_tag": TASK}
    if licence in LICENCES:
        found["license"] = LICENCES[licence]
    elif licence:
        found |= {"license": "other", "license_name": licence}
    found["tags"] = [TASK, network_name(card).lower(), LIBRARY]
    if dataset := DATASETS.get(str(ORIGINALS.get(data, data))):
        found["datasets"] = [dataset]
    if card.get("test_accuracy") is None:
        return found
    result = {
        "task": {"type": TASK, "name": "Image classification"},
        "dataset": {"type": DATASETS.get(data, "other"), "name": described_data(card), "split": "test"},
        "metrics": [{"type": "accuracy", "value": card["test_accuracy"], "name": "Test accuracy of these weights"}],
    }
    return found | {"metrics": ["accuracy"], "model-index": [{"name": card["name"], "results": [result]}]}


def network_name(card: Card) -> str:
    """The class of the network, without its module."""
    return str(card["model"]["class_path"].rpartition(".")[2])


def title(card: Card) -> list[str]:
    """What it is."""
    _, height, width = card["in_shape"]
    size = f", {card['parameters']:,} parameters" if "parameters" in card else ""
    data = escaped(described_data(card))
    return [
        f"# {escaped(card['name'])}",
        "",
        f"{network_name(card)}{size}, for images of {height} × {width} in {card['colours']}, trained on {data}.",
        f"It tells {len(card['classes'])} classes apart. Made with the model zoo for small images.",
    ]


def use(card: Card, place: str) -> list[str]:
    """How it is used, with the zoo and without."""
    name = card["name"]
    return [
        "## Use it",
        "",
        "```python",
        "import zoo",
        "",
        f'model = zoo.load("hf://{place}")  # pip install huggingface-hub',
        f'model("photo.png")  # probabilities of {len(card["classes"])} classes, (1, {len(card["classes"])})',
        'model.predict(["photo.png"])  # names',
        "```",
        "",
        f"Without the zoo: `{name}.safetensors` holds the weights by the names of torch's modules, `{name}.json` all",
        "that is needed to use them. A network sees `(pixels - shift) * scale`, channel by channel, of pixels from 0",
        "to 255.",
    ]


def size_and_cost(card: Card) -> list[str]:
    """What it reaches, and what it costs."""
    rows = []
    for split, name in (("test", "test images"), ("val", "validation images, by which it was chosen")):
        if card.get(f"{split}_accuracy") is not None:
            count = f"{card[f'{split}_n']:,} " if f"{split}_n" in card else ""
            rows.append((f"accuracy on {count}{name}", percent(card[f"{split}_accuracy"])))
    if recipe := card.get("recipe_accuracy"):
        mean = f"{percent(recipe['mean'])} ± {100 * recipe['half_width']:.2f}"
        rows.append((f"its recipe: mean of {recipe['seeds']} seeds on the test images, 95 % interval", mean))
    if "differ_from_float32" in card:
        rows.append(("test images answered otherwise than in float32", f"{card['differ_from_float32']:,}"))
    for key, name in (("parameters", "parameters"), ("multiply_adds", "multiply-adds for an image")):
        if key in card:
            rows.append((name, f"{card[key]:,}"))
    if "seconds" in card:
        where = escaped(card.get("processor") or card.get("device") or "another machine")
        rows.append(("training", f"{card['seconds']:,.0f} s on {where}"))
    if not rows:
        return []
    counted = "The accuracies are those of these very weights, computed in float32."
    return [
        "## Numbers",
        "",
        "| what | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        counted,
    ]


def weaknesses(card: Card) -> list[str]:
    """What it is bad at."""
    found = []
    if mistakes := card.get("confusions"):
        listed = ", ".join(
            f"{escaped(each['label'])} taken for {escaped(each['predicted'])} ({each['count']:,})" for each in mistakes
        )
        found.append(f"- Its most frequent mistakes on the test images: {listed}.")
    if noise := card.get("noise"):
        found.append(
            f"- It has no class for what it does not know. Of noise it says {escaped(noise['answer'])},"
            f" {percent(noise['share'])} of the time, with a mean probability of {percent(noise['confidence'])}."
        )
    found.append("- Pictures that look unlike those of its training are told badly, and as surely.")
    return ["## What it is bad at", "", *found]


def input_section(card: Card) -> list[str]:
    """How images come to it."""
    channels, height, width = card["in_shape"]
    listed = ", ".join(map(escaped, card["classes"][:MOST_CLASSES])) + ", …" * (len(card["classes"]) > MOST_CLASSES)
    constants = f"shift {card['shift']}, scale {card['scale']}"
    order = " The pixels are brought into another order first (`pixels`)." if card["pixels"] else ""
    return [
        "## Images and classes",
        "",
        f"- {channels} × {height} × {width} (channels, height, width), {card['colours']}.",
        f"- Normalised (`{escaped(card['normalize'])}`): {constants}.{order}",
        f"- `zoo` prepares pictures as `{card['prepare']}`: {PREPARED[card['prepare']]}.",
        f"- Classes, in this order: {listed}.",
    ]


def origin(card: Card) -> list[str]:
    """Where it is from, and whose it is."""
    rows = [(key, card.get(key)) for key in ("recipe", "fingerprint", "seed", "precision", "commit")]
    rows = [(key, value) for key, value in rows if value is not None]
    if source := card.get("started_from"):
        rows.append(("started from", f"{source['name']}, SHA-256 {source['sha256']}"))
    rows += [(f"{name}", version) for name, version in card.get("versions", {}).items()]
    stored = [("stored in", card["dtype"]), ("SHA-256 of the weights", card["sha256"])]
    licence = escaped(card.get("licence") or "not named")
    return [
        "## Where it is from",
        "",
        *(f"- {escaped(str(name))}: {escaped(str(value))}" for name, value in [*rows, *stored]),
        "",
        "## Licence",
        "",
        f"The weights: {licence}. The data have owners of their own; whether their terms reach weights is not for us",
        "to say. No data are part of this.",
    ]


def write_readme(folder: Path, card: Card, before: Card | None) -> bool:
    """Writes the page beside a card, unless somebody else's lies there.

    Args:
        folder: of the card.
        card: the new one.
        before: the card that lay there, whose page is replaced.

    Returns:
        Whether it was written.
    """
    path = folder / NAME
    if path.is_symlink() or (path.exists() and not is_page_of(path, before)):
        return False
    with whole_file(path) as file:
        file.write(readme(card))
    return True


def is_page_of(path: Path, card: Card | None) -> bool:
    """Whether a file is what was written for a card, and not changed since."""
    return card is not None and path.is_file() and path.read_bytes() == readme(card).encode()
