"""Event files of TensorBoard: written whole under a fixed name, or cut back to what a checkpoint knows.

A file written whole (the spec as text, the graph) has the same name in every session of a run, so that a
resumed run replaces it. Keras's own files get a new name in each session: what they hold from beyond the
checkpoint is removed before the session writes it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2

from mlpcli.files import replacing, write_with
from mlpcli.keras_import import tf

WHOLE = "events.out.tfevents.0.mlpcli"
"""The name of a file that is written whole; TensorBoard reads it before the others of its folder."""

VERSION = "brain.Event:2"

Summary: TypeAlias = summary_pb2.Summary


def image_summary(tag: str, images: Sequence[bytes], width: int, height: int) -> Summary:
    """Return PNG files as a summary for the Images tab.

    Args:
        tag: its name there.
        images: the files, of one size.
        width: in pixels.
        height: in pixels.
    """
    from tensorboard.plugins.image import metadata

    plugin = metadata.create_summary_metadata(display_name=None, description=None)
    texts = [str(width).encode(), str(height).encode(), *images]
    tensor = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING,
        string_val=texts,
        tensor_shape={"dim": [{"size": len(texts)}]},
    )
    return Summary(value=[Summary.Value(tag=tag, metadata=plugin, tensor=tensor)])


def png_size(png: bytes) -> tuple[int, int]:
    """Return the width and the height of a PNG file: bytes 16 to 24, its header's first two numbers."""
    width, height = np.frombuffer(png[16:24], ">u4")
    return int(width), int(height)


def picture(tag: str, png: bytes) -> Summary:
    """Return a PNG file as a summary for the Images tab."""
    return image_summary(tag, [png], *png_size(png))


def code_block(tag: str, text: str) -> Summary:
    """Return a text as a summary for the Text tab, which shows it as written: in a block of code.

    The fence is longer than any run of its character in the text, which cannot end it.
    """
    from tensorboard.plugins.text import summary_v2

    fence = "```"
    while fence in text:
        fence += "`"
    return summary_v2.text_pb(tag, f"{fence}\n{text.rstrip()}\n{fence}")


def write_whole(folder: Path, events: Iterable[event_pb2.Event]) -> None:
    """Write events into a file of their own, which appears complete or not at all.

    Args:
        folder: is created.
        events: without times, which are set to now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()

    def write(path: Path) -> None:
        with tf.io.TFRecordWriter(str(path)) as file:
            for event in [event_pb2.Event(file_version=VERSION), *events]:
                event.wall_time = now
                file.write(event.SerializeToString())

    write_with(folder / WHOLE, write)


def later_files(folder: Path) -> list[Path]:
    """Return the event files in a folder that sessions have written, without the one written whole."""
    return sorted(path for path in folder.glob("events.out.tfevents.*") if path.name != WHOLE)


def cut_files(files: Iterable[Path], keeps: Callable[[str, int], bool]) -> None:
    """Remove from event files what is not to be kept, and what a killed process left unfinished.

    Args:
        files: that no process writes. One that keeps nothing is deleted.
        keeps: says of a summary, by its tag and its step, whether it stays.
    """
    for path in files:
        records = list(_whole_records(path))
        events = [event_pb2.Event.FromString(record) for record in records]
        kept = [_kept(event, keeps) for event in events]
        if not any(each.HasField("summary") or each.HasField("graph_def") for each in kept):
            path.unlink()
        elif kept != events or _is_cut_off(path, records):
            _rewrite(path, kept)


def _kept(event: event_pb2.Event, keeps: Callable[[str, int], bool]) -> event_pb2.Event:
    """Return an event with those of its summaries that stay; without any, an empty one."""
    if not event.HasField("summary"):
        return event
    values = [value for value in event.summary.value if keeps(value.tag, event.step)]
    if len(values) == len(event.summary.value):
        return event
    kept = event_pb2.Event()
    kept.CopyFrom(event)
    del kept.summary.value[:]
    kept.summary.value.extend(values)
    return kept if values else event_pb2.Event()


def _rewrite(path: Path, events: Sequence[event_pb2.Event]) -> None:
    with replacing(path) as written, tf.io.TFRecordWriter(str(written)) as file:
        for event in events:
            if event.WhichOneof("what") is not None:
                file.write(event.SerializeToString())


def _whole_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a file up to the first that is not whole."""
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.DataLossError:
        return


RECORD_FRAME = 16
"""Bytes around a record: its length, and the checksums of both."""


def _is_cut_off(path: Path, records: Sequence[bytes]) -> bool:
    return path.stat().st_size != sum(len(record) + RECORD_FRAME for record in records)
