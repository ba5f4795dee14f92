"""Parquet files of Hugging Face data sets: a column of pictures, and one of labels whose names the schema has.

    data/train-00000-of-00002.parquet …, test-00000-of-00001.parquet
    image: struct<bytes, path>, label: int64, metadata {"huggingface": '{"info": {"features": …}}'}

Needs pyarrow. The pictures are decoded as `zoo.prepare` decodes files, all must have one size.
"""

import io
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.archive import Refused, check_memory
from datamodules.formats.source import Part, Raw, Source, Want, choice, raw, reading, split_in, wanted_files, words_of
from zoo.errors import DataError, shorten
from zoo.prepare import decode_picture

SHARD = re.compile(r"-\d{5}-of-\d{5}.*$")
MOST_SCHEMA = 2**24  # bytes of the metadata
ROWS = 256  # that are decoded at a time
LABELS = ("label", "labels", "class", "target")
FINE = {"fine": "fine_label", "coarse": "coarse_label"}


class Columns(NamedTuple):
    """What a file's columns are.

    Attributes:
        image: the name of the pictures' column.
        label: of the labels'; None if there is none, or it is not known which.
        names: of the classes, if the schema has them.
    """

    image: str
    label: str | None
    names: Sequence[str]


def sniff(path: Path, start: bytes) -> bool:
    """Whether a file begins as Parquet does."""
    return start.startswith(b"PAR1")


def part(name: str) -> Part | None:
    """Shards of one split are one part."""
    stem, dot, ending = name.rpartition(".")
    if not dot or ending != "parquet":
        return None
    split, rest = split_in(words_of(SHARD.sub("", stem)))
    return Part("-".join(rest), split)


def read(source: Source, want: Want) -> Raw:
    """Pictures and labels of each split."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise DataError(
            f"package pyarrow in this Python: expected it installed, to read {source.path}, found none."
            " Try: pip install pyarrow"
        ) from error
    arrays: dict[str, np.ndarray] = {}
    for split, files in wanted_files(source, want):
        parts = [read_file(path, want, source.path) for path in files]
        arrays[f"{split}_images"] = one_size(source.path, [images for images, _, _ in parts])
        if all(labels is not None for _, labels, _ in parts):
            arrays[f"{split}_labels"] = np.concatenate([labels for _, labels, _ in parts if labels is not None])
        names = [tuple(each) for _, _, each in parts if each]
        if names and arrays.setdefault("classes", np.array(names[0])).tolist() != list(names[-1]):
            raise DataError(f"names of classes in {source.path}: expected one list, found others in {files[-1].name}")
    which = f", {want.labels} labels" if want.labels else ""
    return raw(f"a data set of Hugging Face: Parquet files{which}", arrays)


def read_file(path: Path, want: Want, asked: Path) -> tuple[NDArray[np.uint8], np.ndarray | None, Sequence[str]]:
    """Images (N, H, W) or (N, H, W, 3), labels (N,), and the names of the classes, of one file."""
    import pyarrow.parquet as pq

    with reading(path, "a Parquet file"):
        file = pq.ParquetFile(path, thrift_string_size_limit=MOST_SCHEMA, thrift_container_size_limit=1_000_000)
        columns = columns_of(file.schema_arrow, want, asked)
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        check_memory(path, 2 * max((group.total_byte_size for group in groups), default=0))
        wanted = [columns.image, *([columns.label] if columns.label else [])]
        labels: list[Any] = []
        images: list[NDArray[np.uint8]] = []
        taken = 0
        for rows in file.iter_batches(ROWS, columns=wanted):
            first = images[0].shape[1:3] if images else None
            decoded = [*pictures(path, rows.column(0).to_pylist(), sum(map(len, images)), first)]
            images.append(one_size(path, [each[None] for each in decoded]))
            taken += images[-1].nbytes
            labels += rows.column(1).to_pylist() if columns.label else []
        if not images:
            raise DataError(f"rows in {path}: expected some, found none")
        check_memory(path, taken)
        if None in labels:
            raise DataError(f"labels in {path}: expected one in each row, found none in row {labels.index(None)}")
        return one_size(path, images), np.array(labels) if columns.label else None, columns.names


def columns_of(schema: Any, want: Want, path: Path) -> Columns:
    """Which columns are pictures and labels, by what Hugging Face has written into the schema, else by their names.

    Raises:
        ValueError: there is no column of pictures, or several of labels.
    """
    features = features_of(schema)
    types = {name: str(schema.field(name).type) for name in schema.names}
    by_type = [name for name, kind in types.items() if kind.startswith("struct<bytes: ")]
    images = [name for name, each in features.items() if each.get("_type") == "Image"] or by_type
    images = [name for name in images if name in types]
    if len(images) != 1:
        found = f"{', '.join(images) or 'none'} of {', '.join(types)}"
        raise DataError(f"columns in {path}: expected one of pictures, found {shorten(found)}")
    labels = [name for name, each in features.items() if each.get("_type") == "ClassLabel" and name in types]
    labels = labels or [name for name in types if name in (*LABELS, *FINE.values())]
    fine = [word for word, name in FINE.items() if name in labels]
    label: str | None
    if len(labels) > 1 and len(fine) == len(FINE):
        which = choice(path, want.labels, fine, needed=want.needed)
        label = FINE[which] if which else None
    else:
        choice(path, want.labels, ())
        if len(labels) > 1 and want.needed and labels[0] not in LABELS:
            raise DataError(f"columns in {path}: expected one of labels, found {shorten(', '.join(labels))}")
        label = next((name for name in labels if name in LABELS), labels[0] if len(labels) == 1 else None)
    names = features.get(label or "", {}).get("names") or []
    return Columns(images[0], label, [str(name) for name in names] if isinstance(names, list) else [])


def features_of(schema: Any) -> Mapping[str, Mapping[str, Any]]:
    """What Hugging Face says of the columns; nothing if it does not."""
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    found = json.loads(text)
    for name in ("info", "features"):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return {name: each for name, each in found.items() if isinstance(each, dict)} if isinstance(found, dict) else {}


def pictures(path: Path, rows: Sequence[Any], first: int, size: tuple[int, ...] | None) -> Iterator[NDArray[np.uint8]]:
    """Decoded pictures (H, W) or (H, W, 3).

    Args:
        path: the file, for messages.
        rows: each a dict with `bytes`, or bytes.
        first: the number of the first row.
        size: height and width that they must have; None takes those of the first.
    """
    for number, row in enumerate(rows, first):
        content = row.get("bytes") if isinstance(row, dict) else row
        if not isinstance(content, bytes):
            raise DataError(
                f"picture of row {number} in {path}: expected its bytes, found {type(content).__name__}."
                ' Try: dataset.cast_column("image", datasets.Image()), and save it again'
            )
        try:
            picture = np.asarray(decode_picture(io.BytesIO(content), f"picture of row {number} in {path}"))
        except (OSError, ValueError) as error:
            raise DataError(str(error)) from error
        if number == first:
            check_memory(path, 2 * len(rows) * picture.nbytes)
        size = size or picture.shape[:2]
        if picture.shape[:2] != size:
            raise other_size(path, {size, picture.shape[:2]})
        yield picture


def other_size(path: Path, sizes: Collection[tuple[int, ...]]) -> Refused:
    """The error for pictures of several sizes."""
    some = ", ".join(f"{height} × {width}" for height, width in sorted(sizes)[:3])
    return Refused(f"size of pictures in {path}: expected one for all, found {some}")


def one_size(path: Path, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Images of several arrays in one; grey ones become colour where the others have some.

    Raises:
        ValueError: they differ in height or width.
    """
    sizes = {each.shape[1:3] for each in images}
    if len(sizes) > 1:
        raise other_size(path, sizes)
    if len({each.ndim for each in images}) > 1:
        images = [each if each.ndim == 4 else np.repeat(each[..., None], 3, axis=3) for each in images]
    return np.concatenate(images)
