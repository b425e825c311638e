"""Decode image files in a TensorFlow graph as `data/images/decode_image.py` does: a SavedModel takes them.

The resizing is Pillow's, to the last bit: the same weights in fixed point, first along the width, then along
the height, with sums that float64 holds exactly. What differs: EXIF data is not read, so that an image which
it says to turn is not turned; and colors in CMYK are TensorFlow's.
"""

from __future__ import annotations

from mlpcli.data.images.image_reading import ImageReading
from mlpcli.keras_import import tf

PRECISION = 22
"""Bits after the point of a weight in Pillow's resizing (`PRECISION_BITS` of its Resample.c)."""

LUMA = (19595, 38470, 7471)
"""Of red, green and blue, in 65536 parts: ITU-R 601-2, as Pillow converts colors to gray."""


def decode_images(contents: tf.Tensor, reading: ImageReading) -> tf.Tensor:
    """Return the images in files, (images, height, width, channels) uint8.

    Args:
        contents: (images,) strings, the bytes of each file.
        reading: how they become arrays.
    """
    return tf.map_fn(
        lambda content: _decoded(content, reading),
        contents,
        fn_output_signature=tf.TensorSpec(reading.shape, tf.uint8),
        parallel_iterations=4,
    )


def _decoded(content: tf.Tensor, reading: ImageReading) -> tf.Tensor:
    is_jpeg = tf.io.is_jpeg(content)
    raw = tf.cond(
        is_jpeg,
        lambda: tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(content, expand_animations=False),
    )
    image = _in_shape(_in_mode(tf.cast(raw, tf.int32), reading.color_mode), reading)
    height, width = reading.size
    if reading.color_mode != "rgba":
        return tf.cast(tf.ensure_shape(_resized(image, height, width), reading.shape), tf.uint8)
    image = tf.concat([_product(image[..., :3], image[..., 3:]), image[..., 3:]], axis=-1)
    image = _resized(image, height, width)
    alpha = image[..., 3:]
    plain = tf.minimum(255 * image[..., :3] // tf.maximum(alpha, 1), 255)
    color = tf.where((alpha == 0) | (alpha == 255), image[..., :3], plain)
    return tf.cast(tf.ensure_shape(tf.concat([color, alpha], axis=-1), reading.shape), tf.uint8)


def _product(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Return one * other / 255, rounded as Pillow rounds it (MULDIV255)."""
    product = one * other + 128
    return tf.bitwise.right_shift(tf.bitwise.right_shift(product, 8) + product, 8)


def _in_mode(image: tf.Tensor, color_mode: str) -> tf.Tensor:
    """Return an image, (height, width, 1 to 4) int32, in the channels that are wanted."""
    channels = tf.shape(image)[-1]
    color = tf.cond(channels <= 2, lambda: tf.repeat(image[..., :1], 3, axis=-1), lambda: image[..., :3])
    transparent = (channels == 2) | (channels == 4)
    alpha = tf.cond(transparent, lambda: image[..., -1:], lambda: tf.fill(tf.shape(image[..., :1]), 255))
    if color_mode == "rgba":
        return tf.concat([color, alpha], axis=-1)
    color = (color * alpha + 255 * (255 - alpha) + 127) // 255  # on white
    if color_mode == "rgb":
        return color
    gray = tf.reduce_sum(color * tf.constant(LUMA), axis=-1, keepdims=True) + 0x8000
    return tf.bitwise.right_shift(gray, 16)


def _in_shape(image: tf.Tensor, reading: ImageReading) -> tf.Tensor:
    """Return an image cropped or padded to the wanted proportions, as `fitting_box` says."""
    if reading.fit == "squeeze":
        return image
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    tall = _scaled(width, reading.size[0], reading.size[1])
    wide = _scaled(height, reading.size[1], reading.size[0])
    if reading.fit == "crop":
        tall, wide = (tf.maximum(tf.minimum(a, b), 1) for a, b in ((height, tall), (width, wide)))
        top, left = (height - tall) // 2, (width - wide) // 2
        return image[top : top + tall, left : left + wide]
    tall, wide = tf.maximum(height, tall), tf.maximum(width, wide)
    top, left = (tall - height) // 2, (wide - width) // 2
    edges = [[top, tall - height - top], [left, wide - width - left], [0, 0]]
    return tf.pad(image, tf.convert_to_tensor(edges))


def _scaled(side: tf.Tensor, to: int, of: int) -> tf.Tensor:
    return tf.cast(tf.cast(side, tf.float64) * to / of, tf.int32)


def _resized(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Return an image, (rows, columns, channels) int32, in another size."""
    values = tf.cast(image, tf.float64)
    values = _rounded(tf.einsum("ow,hwc->hoc", _weights(tf.shape(image)[1], width), values))
    values = _rounded(tf.einsum("oh,hwc->owc", _weights(tf.shape(image)[0], height), values))
    return tf.cast(values, tf.int32)


def _rounded(sums: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.floor((sums + 2.0 ** (PRECISION - 1)) / 2.0**PRECISION), 0.0, 255.0)


def _weights(before: tf.Tensor, after: int) -> tf.Tensor:
    """Return the weight of each value for each resized one, (after, before): whole numbers, in float64."""
    count = tf.cast(before, tf.float64)
    scale = count / after
    support = tf.maximum(scale, 1.0)
    center = (tf.range(after, dtype=tf.float64) + 0.5)[:, None] * scale
    first = tf.maximum(tf.floor(center - support + 0.5), 0.0)
    last = tf.minimum(tf.floor(center + support + 0.5), count)
    place = tf.range(count, dtype=tf.float64)[None, :]
    weight = tf.maximum(1.0 - tf.abs((place - center + 0.5) * (1.0 / support)), 0.0)
    weight = tf.where((place >= first) & (place < last), weight, 0.0)
    weight = weight / tf.reduce_sum(weight, axis=1, keepdims=True)
    return tf.floor(0.5 + weight * 2.0**PRECISION)
