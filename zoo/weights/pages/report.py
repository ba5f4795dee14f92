"""A card for people: what `zoo weights show` prints."""

from zoo.weights.card import Card


def percent(value: float | None) -> str:
    """An accuracy as people write it."""
    return "not counted" if value is None else f"{100 * value:.2f} %"


def described_data(card: Card) -> str:
    """The data of a card, with what is to be known of them."""
    data = str(card.get("data", "own images"))
    return f"{data} ({card['data_note']})" if card.get("data_note") else data


def card_lines(card: Card) -> list[tuple[str, str]]:
    """What a card says, as names and texts, in the order of interest."""
    _, height, width = card["in_shape"]
    model = card["model"]["class_path"].rpartition(".")[2]
    order = "; their pixels are put into another order first" if card["pixels"] else ""
    found: list[tuple[str, str]] = [
        ("network", f"{model}, {card['parameters']:,} parameters" if "parameters" in card else model),
        ("images", f"{height} × {width}, {card['colours']}; pictures are prepared as {card['prepare']}{order}"),
        ("classes", ", ".join(card["classes"][:20]) + " …" * (len(card["classes"]) > 20)),
    ]
    if "data" in card:
        found.append(("trained on", described_data(card)))
    if source := card.get("started_from"):
        found.append(("started from", f"{source['name']} ({source['sha256'][:12]}…)"))
    for split, name in (("test", "test images"), ("val", "validation images")):
        if f"{split}_accuracy" in card:
            count = f" of {card[f'{split}_n']:,}" if f"{split}_n" in card else ""
            found.append((name, percent(card[f"{split}_accuracy"]) + count))
    if recipe := card.get("recipe_accuracy"):
        spread = f"{percent(recipe['mean'])} ± {100 * recipe['half_width']:.2f} over {recipe['seeds']} seeds"
        found.append(("its recipe", f"{card.get('recipe')}: {spread}"))
    if mistakes := card.get("confusions"):
        words = ", ".join(f"{each['label']} for {each['predicted']} ({each['count']})" for each in mistakes)
        found.append(("takes most often", words))
    if noise := card.get("noise"):
        found.append(
            ("of noise it says", f"{noise['answer']} ({percent(noise['share'])} of the time; it is no use to ask it)")
        )
    stored = f"{card['dtype']}"
    if "differ_from_float32" in card:
        stored += f", which changes {card['differ_from_float32']} predictions of the test images"
    found.append(("stored in", stored))
    if "seconds" in card:
        precision = f", in {card['precision']}" if card.get("precision") else ""
        where = card.get("processor") or card.get("device")
        found.append(("trained in", f"{card['seconds']:,.0f} s on {where}{precision}"))
    for key, name in (("seed", "seed"), ("commit", "commit"), ("licence", "licence"), ("sha256", "SHA-256")):
        if card.get(key) is not None:
            found.append((name, str(card[key])))
    return found


def text(card: Card) -> str:
    """A card as a terminal shows it."""
    said = card_lines(card)
    wide = max(len(name) for name, _ in said)
    return "\n".join([card["name"], *(f"  {name:<{wide}}  {words}" for name, words in said)])
