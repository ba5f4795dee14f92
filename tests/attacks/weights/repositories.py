"""Attacks by what a repository on the Hub, or whoever answers for it, says and sends."""

from typing import Any

from attacks.weights.corpus import Weights, attack
from hub_server import sha256
from tiny_weights import tensors_of
from zoo.weights.store import serialise


def relist(scene: Weights, name: str, **changed: Any) -> None:
    """Has the list of files say something else of one of them, if it is to be hostile."""

    def change(listed: dict[str, Any]) -> None:
        for each in listed["siblings"]:
            if each["rfilename"] == name:
                each.update(changed)

    if scene.hostile:
        scene.hub.relisted = change


@attack("hub")
def a_card_of_gigabytes_in_the_list(scene: Weights) -> None:
    """Says that its card is enormous."""
    relist(scene, "tiny.json", size=2**40)


@attack("hub")
def weights_of_gigabytes_in_the_list(scene: Weights) -> None:
    """Says that its weights are enormous."""
    relist(scene, "tiny.safetensors", size=2**40)


@attack("hub")
def weights_of_no_size_in_the_list(scene: Weights) -> None:
    """Does not say how large its weights are."""
    relist(scene, "tiny.safetensors", size=None)


@attack("hub")
def another_size_than_in_the_list(scene: Weights) -> None:
    """Says that its weights are small, and has larger ones."""
    relist(scene, "tiny.safetensors", size=10)


@attack("hub")
def more_than_it_was_to_be(scene: Weights) -> None:
    """Sends more of a card than it said."""
    if scene.hostile:
        scene.hub.changed["GET /me/tiny/resolve/main/tiny.json"] = 200, {"Content_Length": "2000000"}, b" " * 2_000_000


@attack("hub")
def less_than_it_was_to_be(scene: Weights) -> None:
    """Sends half of the weights."""
    if scene.hostile:
        place = f"GET /cdn/{sha256(scene.content)}"
        scene.hub.changed[place] = 200, {}, scene.content[: len(scene.content) // 2]


@attack("hub")
def other_weights_on_the_way(scene: Weights) -> None:
    """Sends other weights of the same size."""
    other = scene.either(serialise(tensors_of(1)), scene.content)
    scene.hub.changed[f"GET /cdn/{sha256(scene.content)}"] = 200, {}, other


@attack("hub")
def a_card_of_other_weights(scene: Weights) -> None:
    """Has a card that names other weights than lie beside it."""
    _, files = scene.hub.at("me/tiny", "main") or ("", {})
    scene.hub.put("me/tiny", {**files, "tiny.safetensors": serialise(tensors_of(scene.either(1, 0)))})


@attack("hub")
def a_way_to_the_files_of_the_user(scene: Weights) -> None:
    """Sends whoever asks for the weights to a file on his own machine."""
    place = f"/me/tiny/resolve/{scene.hub.commits['me/tiny'][-1][0]}/tiny.safetensors"
    if scene.hostile:
        linked = {"X_Linked_Etag": f'"{sha256(scene.content)}"', "X_Linked_Size": str(len(scene.content))}
        there = {"Location": f"file://{scene.thesis}", "X_Repo_Commit": scene.hub.commits["me/tiny"][-1][0]}
        scene.hub.changed[place] = 302, {**there, **linked}, b""


@attack("hub")
def a_way_in_circles(scene: Weights) -> None:
    """Sends whoever asks for the list back to where he comes from."""
    if scene.hostile:
        scene.hub.changed["/api/models/me/tiny"] = 302, {"Location": f"{scene.hub.url}/api/models/me/tiny"}, b""


@attack("hub")
def a_commit_that_is_a_path(scene: Weights) -> None:
    """Calls its commit by a place in the cache of others."""
    scene.hub.relisted = lambda listed: listed.update(sha=scene.either("..", listed["sha"]))


@attack("hub")
def names_that_are_paths(scene: Weights) -> None:
    """Lists its files by places outside."""
    _, files = scene.hub.at("me/tiny", "main") or ("", {})
    names = {name: scene.either(f"../{name}", name) for name in files}
    scene.hub.put("me/tiny", {names[name]: content for name, content in files.items()})


@attack("hub")
def two_cards_in_a_repository(scene: Weights) -> None:
    """Leaves it open which is meant."""
    _, files = scene.hub.at("me/tiny", "main") or ("", {})
    others = {name.replace("tiny", "other"): content for name, content in files.items()}
    scene.hub.put("me/tiny", {**files, **scene.either(others, {})})


@attack("hub", inert=True)
def a_graph_and_programs_beside_the_card(scene: Weights) -> None:
    """Has a graph, a pickle and a program beside the card, which nobody asked for."""
    _, files = scene.hub.at("me/tiny", "main") or ("", {})
    others = dict.fromkeys(("tiny.onnx", "tiny.pkl", "model.py", "config.json", "tiny.bin"), b"x")
    scene.hub.put("me/tiny", {**files, **scene.either(others, {})})


@attack("hub")
def an_answer_that_is_a_page(scene: Weights) -> None:
    """Answers with a page for people, as the networks of hotels do."""
    if scene.hostile:
        scene.hub.changed["/api/models/me/tiny"] = 200, {"Content_Type": "text/html"}, b"<html>welcome</html>"


@attack("hub")
def an_error_that_a_terminal_would_obey(scene: Weights) -> None:
    """Says its error in letters that move the cursor."""
    if scene.hostile:
        scene.hub.changed["/api/models/me/tiny"] = 418, {"X_Error_Message": "\x1b[2J"}, b'{"error": "\\u001b[2J"}'
