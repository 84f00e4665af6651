"""Random changes of images while a network learns from them, and scaling by the statistics of a training set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keraunos.preprocessing.image.batches import DataFrameIterator, DirectoryIterator, NumpyArrayIterator
from keraunos.preprocessing.image.files import layout
from keraunos.preprocessing.image.transforms import (
    Manner,
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    flip_axis,
)
from keraunos.utils import config
from keraunos.utils.errors import ArgumentError, ShapeError, warn
from keraunos.utils.spelling import adopting, spelled
from keraunos.utils.text import shape_text


@adopting
class ImageDataGenerator:
    """Batches of images, each changed at random and then scaled.

    Random numbers come from NumPy's global generator.

    Args:
        featurewise_center: Whether the mean of the training set is subtracted, one for each channel: see ``fit``.
        samplewise_center: Whether each image's own mean is subtracted.
        featurewise_std_normalization: Whether to divide by the deviation of the training set.
        samplewise_std_normalization: Whether to divide each image by its own deviation.
        zca_whitening: Whether pixels are decorrelated by the principal components of the training set.
        zca_epsilon: What is added to their variances, above 0.
        rotation_range: Largest rotation, in degrees.
        width_shift_range: Largest shift along the columns: below 1 as a fraction of the width, otherwise in pixels;
            a whole number, or a list to draw from, shifts by whole pixels.
        height_shift_range: The same along the rows.
        brightness_range: Range of the factor of brightness, ``(low, high)``.
        shear_range: Largest angle of shear, in degrees.
        zoom_range: Range of the zoom, ``(low, high)``, or one number z for 1 ± z.
        channel_shift_range: Largest number added to an image.
        fill_mode: What stands beyond the border: ``"constant"``, ``"nearest"``, ``"reflect"`` or ``"wrap"``.
        cval: Value beyond the border, for ``"constant"``.
        horizontal_flip, vertical_flip: Whether half of the images are mirrored.
        rescale: Factor of every number; none if ``None`` or 0.
        preprocessing_function: From one image to one of the same shape, called after the random changes.
        data_format: ``"channels_last"`` or ``"channels_first"``; as in the settings if not given.
        validation_split: Part of the images that ``subset="validation"`` takes, between 0 and 1.
        interpolation_order: Order of the spline through the pixels, 0 to 5.
        dtype: Type of the batches.
        manner: Fields of ``Manner`` that are not as today.

    >>> generator = ImageDataGenerator(rescale=0.5)
    >>> next(generator.flow(np.ones((4, 2, 2, 1)), batch_size=3)).shape
    (3, 2, 2, 1)
    """

    @spelled
    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[np.ndarray], np.ndarray] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int | None = None,
        dtype: Any = None,
        *,
        manner: Mapping[str, Any] | None = None,
    ) -> None:
        self.featurewise_center = featurewise_center
        self.samplewise_center = samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = zca_epsilon
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.brightness_range = brightness_range
        self.shear_range = shear_range
        self.zoom_range = _range(zoom_range)
        self.channel_shift_range = channel_shift_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.data_format = layout(data_format)
        self.validation_split = validation_split
        self.interpolation_order = interpolation_order
        self.dtype = dtype or config.floatx()
        self.manner = manner or {}
        self.how = Manner(**self.manner)
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if self._first else (3, 1, 2)
        self.mean: Any = None
        self.std: Any = None
        self.principal_components: Any = None
        if validation_split and not 0 < validation_split < 1:
            raise ArgumentError(f"`validation_split` must be strictly between 0 and 1. Received: {validation_split}.")
        if brightness_range is not None and len(brightness_range) != 2:
            raise ArgumentError(
                f"`brightness_range` should be a tuple or list of two floats. Received: {brightness_range}."
            )
        if not self.how.independent:
            self._switch("zca_whitening", "featurewise_center", True)
            self._switch("zca_whitening", "featurewise_std_normalization", False)
            self._switch("featurewise_std_normalization", "featurewise_center", True)
            self._switch("samplewise_std_normalization", "samplewise_center", True)

    def _switch(self, flag: str, other: str, wanted: bool) -> None:
        """Set a flag that another one overrides, and say so."""
        if getattr(self, flag) and getattr(self, other) is not wanted:
            setattr(self, other, wanted)
            warn(f"This ImageDataGenerator specifies `{flag}`, which overrides setting of `{other}`.")

    @property
    def _first(self) -> bool:
        return self.data_format == "channels_first"

    @spelled
    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of images of an array, without end: see ``NumpyArrayIterator``.

        Args:
            x: Images, four axes; or a tuple of them and of further arrays, which pass unchanged.
            y: Targets.
            batch_size, shuffle, seed: As for ``Iterator``.
            sample_weight: A weight for each image.
            save_to_dir, save_prefix, save_format: Where the changed images are written too, for a look at them.
            ignore_class_split: Whether training and validation may hold different classes.
            subset: ``"training"`` or ``"validation"``, with ``validation_split``.
        """
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            ignore_class_split=ignore_class_split,
            dtype=self.dtype,
        )

    @spelled
    def flow_from_directory(
        self,
        directory: Any,
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Batches of the pictures of a folder that holds a folder for each class: see ``DirectoryIterator``."""
        return DirectoryIterator(
            directory,
            self,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            data_format=self.data_format,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            keep_aspect_ratio=keep_aspect_ratio,
            dtype=self.dtype,
        )

    @spelled
    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: Any = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        keep_aspect_ratio: bool = False,
        *,
        endings: bool = True,
    ) -> DataFrameIterator:
        """Batches of the pictures that a DataFrame names, with their targets: see ``DataFrameIterator``."""
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            data_format=self.data_format,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            interpolation=interpolation,
            keep_aspect_ratio=keep_aspect_ratio,
            dtype=self.dtype,
            validate_filenames=validate_filenames,
            endings=endings,
        )

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """One image or a batch, scaled as the arguments say; ``x`` itself is changed where it is of floats."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x *= self.rescale
        own = self.channel_axis - 1 if self.how.mean_of_channels else None
        if self.samplewise_center:
            x -= np.mean(x, axis=own, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, axis=own, keepdims=True) + self.how.epsilon
        if self.featurewise_center and self._is_fitted("featurewise_center", self.mean):
            x -= self.mean
        if self.featurewise_std_normalization and self._is_fitted("featurewise_std_normalization", self.std):
            x /= self.std + self.how.epsilon
        if self.zca_whitening and self._is_fitted("zca_whitening", self.principal_components):
            flat = np.reshape(x, (-1, np.prod(x.shape[-3:])))
            x = np.reshape(flat @ self.principal_components, x.shape)
        return x

    def _is_fitted(self, what: str, value: Any) -> bool:
        if value is None:
            warn(
                f"This ImageDataGenerator specifies `{what}`, but it hasn't been fit on any training data. "
                "Fit it first by calling `.fit(numpy_data)`."
            )
        return value is not None

    def get_random_transform(self, img_shape: Sequence[int], seed: int | None = None) -> dict[str, Any]:
        """Amounts of one random change, as ``apply_transform`` takes them.

        Args:
            img_shape: Shape of the image.
            seed: What NumPy's generator is seeded with before.
        """
        if seed is not None:
            np.random.seed(seed)
        rows, columns, channels = (img_shape[axis - 1] for axis in (self.row_axis, self.col_axis, self.channel_axis))
        amounts: dict[str, Any] = {
            "theta": _symmetric(self.rotation_range),
            "tx": _shift(self.height_shift_range, rows),
            "ty": _shift(self.width_shift_range, columns),
            "shear": _symmetric(self.shear_range),
        }
        low, high = self.zoom_range
        amounts["zx"], amounts["zy"] = (1, 1) if low == high == 1 else np.random.uniform(low, high, 2)
        if not self.how.flips_last:
            amounts["flip_horizontal"] = (np.random.random() < 0.5) * self.horizontal_flip
            amounts["flip_vertical"] = (np.random.random() < 0.5) * self.vertical_flip
        shift, each = self.channel_shift_range, channels if self.how.flips_last else None
        amounts["channel_shift_intensity"] = np.random.uniform(-shift, shift, each) if shift else None
        if self.how.flips_last:
            amounts["flip_horizontal"] = self.horizontal_flip and np.random.random() < 0.5
            amounts["flip_vertical"] = self.vertical_flip and np.random.random() < 0.5
        bright = self.brightness_range
        amounts["brightness"] = None if bright is None else np.random.uniform(bright[0], bright[1])
        return amounts

    def apply_transform(self, x: Any, transform_parameters: Mapping[str, Any]) -> np.ndarray:
        """One image, changed by given amounts.

        Args:
            x: The image, three axes.
            transform_parameters: Any of ``theta``, ``tx``, ``ty``, ``shear``, ``zx``, ``zy`` (see
                ``apply_affine_transform``), ``channel_shift_intensity``, ``flip_horizontal``, ``flip_vertical``
                and ``brightness``.
        """
        row_axis, col_axis, channel_axis = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        warps = ("theta", "tx", "ty", "shear", "zx", "zy")
        x = apply_affine_transform(
            x,
            **{name: transform_parameters[name] for name in warps if name in transform_parameters},
            row_axis=row_axis,
            col_axis=col_axis,
            channel_axis=channel_axis,
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
            manner=self.manner,
        )
        if transform_parameters.get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, transform_parameters["channel_shift_intensity"], channel_axis)
        if transform_parameters.get("flip_horizontal"):
            x = flip_axis(x, col_axis)
        if transform_parameters.get("flip_vertical"):
            x = flip_axis(x, row_axis)
        if transform_parameters.get("brightness") is not None:
            last = np.moveaxis(x, channel_axis, -1)
            bright = apply_brightness_shift(last, transform_parameters["brightness"], False, manner=self.manner)
            x = np.moveaxis(bright, -1, channel_axis)
        return x

    def random_transform(self, x: Any, seed: int | None = None) -> np.ndarray:
        """One image, changed at random."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find the mean, deviation and principal components of a training set.

        Args:
            x: Images, four axes.
            augment: Whether they are changed at random before.
            rounds: How often each of them is taken, with ``augment``.
            seed: What NumPy's generator is seeded with before.

        Raises:
            ShapeError: Not four axes.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ShapeError(f"Input to `.fit()` should have rank 4. Got array with shape: {shape_text(x.shape)}")
        self.check_channels(x)
        if seed is not None:
            np.random.seed(seed)
        if self.rescale and self.how.fits_rescaled:
            x *= self.rescale
        if augment:
            x = np.stack([self.random_transform(image) for _ in range(rounds) for image in x]).astype(self.dtype)
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = np.mean(x, axis=axes, keepdims=True)[0]
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=axes, keepdims=True)[0]
            x /= self.std + self.how.epsilon
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            directions, variances, _ = np.linalg.svd(flat.T @ flat / len(flat))
            self.principal_components = (directions / np.sqrt(variances + self.zca_epsilon)) @ directions.T

    def check_channels(self, x: np.ndarray) -> None:
        """Warn of, or refuse, images whose channels are not 1, 3 or 4, which may stand on another axis."""
        if x.shape[self.channel_axis] in (1, 3, 4):
            return
        said = (
            f"expected images with 1, 3 or 4 channels on axis {self.channel_axis}, since data_format is "
            f"{self.data_format!r}; got an array with shape {shape_text(x.shape)}, "
            f"of {x.shape[self.channel_axis]} channels."
        )
        if not self.how.any_channels:
            raise ShapeError(said)
        warn(said)


def _range(zoom: Any) -> list[float]:
    if np.ndim(zoom) == 0:
        return [1 - zoom, 1 + zoom]
    if len(zoom) != 2:
        raise ArgumentError(f"`zoom_range` should be a float or a tuple or list of two floats. Received: {zoom}.")
    return [zoom[0], zoom[1]]


def _symmetric(size: float) -> float:
    return np.random.uniform(-size, size) if size else 0


def _shift(amount: Any, size: int) -> float:
    """A shift drawn from ±``amount``, in pixels."""
    if not np.any(amount):
        return 0
    if isinstance(amount, (int, np.integer)) or np.ndim(amount):
        drawn = np.random.choice(amount) * np.random.choice([-1, 1])
    else:
        drawn = np.random.uniform(-amount, amount)
    return drawn * size if np.max(amount) < 1 else drawn
