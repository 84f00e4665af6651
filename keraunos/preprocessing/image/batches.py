"""Images in batches, from arrays, folders and tables: without end in a loop, or by number as a data set."""

import os
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraunos.preprocessing.image.files import FORMATS, MODES, array_to_img, img_to_array, layout, load_img
from keraunos.utils import config
from keraunos.utils.errors import ArgumentError, ShapeError, UsageError, warn
from keraunos.utils.sequence import PyDataset
from keraunos.utils.spelling import adopting, spelled
from keraunos.utils.text import shape_text, suggestion
from keraunos.utils.writing import on_disk

if TYPE_CHECKING:
    from keraunos.preprocessing.image.generator import ImageDataGenerator

_SUBSETS = ("training", "validation")
_PLAIN = ("categorical", "binary", "sparse", "input", None)


class Iterator(PyDataset):
    """Batches of ``n`` images: ``next`` goes on without end, ``[i]`` is batch i of the present order.

    Args:
        n: Number of images.
        batch_size: Images in a batch; the last one may be smaller.
        shuffle: Whether they come in a new random order every epoch.
        seed: Seed of the order and of the random changes, plus the number of the batch; NumPy's own if ``None``.
    """

    generator: "ImageDataGenerator | None" = None

    @spelled
    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        super().__init__()
        self.n = n
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.batch_index = 0
        self.total_batches_seen = 0
        self.lock = threading.Lock()
        self.index_array: Any = None
        self.index_generator = self._flow_index()

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if index >= len(self):
            raise ArgumentError(
                f"Asked to retrieve element {index}, but the Sequence has length {len(self)}: it counts from 0."
            )
        with self.lock:
            self._reseed()
            if self.index_array is None:
                self._set_index_array()
            chosen = self.index_array[self.batch_size * index : self.batch_size * (index + 1)]
        return self._get_batches_of_transformed_samples(chosen)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        with self.lock:
            chosen = next(self.index_generator)
        return self._get_batches_of_transformed_samples(chosen)

    def next(self) -> Any:
        """The next batch."""
        return self.__next__()

    def on_epoch_end(self) -> None:
        """Put the images in a new order."""
        self._set_index_array()

    def reset(self) -> None:
        """Begin again with the first batch."""
        self.batch_index = 0

    def _reseed(self) -> None:
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1

    def _set_index_array(self) -> None:
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _flow_index(self) -> Generator[np.ndarray, None, None]:
        self.reset()
        late = self.generator is not None and self.generator.how.restarts_late
        while True:
            self._reseed()
            if self.batch_index == 0:
                self._set_index_array()
            first = self.batch_index * self.batch_size % self.n
            after = first + self.batch_size
            self.batch_index = self.batch_index + 1 if self.n > after or (late and self.n == after) else 0
            yield self.index_array[first:after]

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        """The batch of the images of these numbers; a subclass defines it."""
        raise UsageError(f"{type(self).__name__} has no _get_batches_of_transformed_samples. Define it.")


class _Saving(Iterator):
    """What changes images, puts them into a batch, and writes them where asked to."""

    generator: "ImageDataGenerator"
    data_format: str
    dtype: Any
    save_to_dir: str | None
    save_prefix: str
    save_format: str

    def _batch(self, index_array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        batch = np.zeros((len(index_array), *shape), dtype=self.dtype)
        for row, number in enumerate(index_array):
            image = self._image(number)
            batch[row] = self.generator.standardize(self.generator.random_transform(image).astype(self.dtype))
        if self.save_to_dir:
            for image, number in zip(batch, index_array, strict=True):
                name = f"{self.save_prefix}_{number}_{np.random.randint(10**7)}.{self.save_format}"
                with on_disk(os.path.join(self.save_to_dir, name)):
                    array_to_img(image, self.data_format, scale=True).save(os.path.join(self.save_to_dir, name))
        return batch

    def _image(self, number: int) -> np.ndarray:
        """One image as it is, to be changed in place; a subclass defines it."""
        raise UsageError(f"{type(self).__name__} has no _image. Define it.")


class NumpyArrayIterator(_Saving):
    """Batches of the images of an array: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.

    Args:
        x: Images, four axes; or a tuple of them and of further arrays, which pass unchanged.
        y: Targets, or ``None``.
        image_data_generator: What changes and scales them.
        batch_size, shuffle, seed: As for ``Iterator``.
        sample_weight: A weight for each image.
        data_format: ``"channels_last"`` or ``"channels_first"``; as in the settings if not given.
        save_to_dir, save_prefix, save_format: Where the changed images are written too.
        subset: ``"training"`` or ``"validation"``: which part by the generator's ``validation_split``.
        ignore_class_split: Whether both parts may hold different classes.
        dtype: Type of the images.
    """

    @spelled
    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: "ImageDataGenerator",
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = None,
    ) -> None:
        others: list[np.ndarray] = []
        if isinstance(x, (tuple, list)) and len(x) == 2 and np.ndim(x[0]) == 4:
            others = [np.asarray(other) for other in (x[1] if isinstance(x[1], list) else [x[1]])]
            x = x[0]
        x = np.asarray(x)
        if any(len(other) != len(x) for other in others):
            raise ShapeError(
                f"All of the arrays in `x` should have the same length. There are {len(x)} images, "
                f"and beside them {', '.join(str(len(other)) for other in others)} rows."
            )
        for name, other in (("`y` (labels)", y), ("`sample_weight`", sample_weight)):
            if other is not None and len(other) != len(x):
                raise ShapeError(
                    f"`x` (images tensor) and {name} should have the same length. "
                    f"There are {len(x)} images and {len(other)} rows."
                )
        self.x_misc = others
        self.y: Any = None if y is None else np.asarray(y)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        self.x = x
        self.subset = subset
        if subset is not None:
            self._take(subset, image_data_generator.validation_split, ignore_class_split)
        self.dtype = dtype or config.floatx()
        self.x = np.asarray(self.x, dtype=self.dtype)
        if self.x.ndim != 4:
            raise ShapeError(
                "Input data in `NumpyArrayIterator` should have rank 4. "
                f"You passed an array with shape {shape_text(self.x.shape)}."
            )
        image_data_generator.check_channels(self.x)
        self.image_data_generator = self.generator = image_data_generator
        self.data_format = layout(data_format)
        self.save_to_dir = save_to_dir
        self.save_prefix = save_prefix
        self.save_format = save_format
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _take(self, subset: str, part: float, ignore_class_split: bool) -> None:
        if subset not in _SUBSETS:
            raise ArgumentError(f'subset is {subset!r}; expected "training" or "validation".')
        split = int(len(self.x) * part)
        mine = slice(split) if subset == "validation" else slice(split, None)
        checked = self.y is not None and not ignore_class_split
        if checked and not np.array_equal(np.unique(self.y[:split]), np.unique(self.y[split:])):
            raise ArgumentError(
                "Training and validation subsets have different number of classes after the split. "
                "If your numpy arrays are sorted by the label, you might want to shuffle them."
            )
        self.x, self.x_misc = self.x[mine], [other[mine] for other in self.x_misc]
        self.y = None if self.y is None else self.y[mine]
        self.sample_weight = None if self.sample_weight is None else self.sample_weight[mine]

    def _image(self, number: int) -> np.ndarray:
        return self.x[number].copy()

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        batch: Any = self._batch(index_array, self.x.shape[1:])
        if self.x_misc:
            batch = [batch, *(other[index_array] for other in self.x_misc)]
        if self.y is None:
            return batch
        rest = [] if self.sample_weight is None else [self.sample_weight[index_array]]
        return (batch, self.y[index_array], *rest)


class _Files(_Saving):
    """Batches of pictures in files, with targets of several kinds."""

    directory: Any
    filenames: list[str]
    classes: Any
    num_classes: int
    weights: Any = None

    def _settle(
        self,
        image_data_generator: "ImageDataGenerator",
        target_size: Sequence[int],
        color_mode: str,
        data_format: str | None,
        save_to_dir: str | None,
        save_prefix: str,
        save_format: str,
        subset: str | None,
        interpolation: str,
        keep_aspect_ratio: bool,
        dtype: Any,
    ) -> None:
        if color_mode not in MODES:
            raise ArgumentError(f"Invalid color mode: {color_mode!r}.{suggestion(color_mode, MODES)}")
        if subset is not None and subset not in _SUBSETS:
            raise ArgumentError(f'Invalid subset name: {subset!r}; expected "training" or "validation".')
        self.image_data_generator = self.generator = image_data_generator
        self.target_size = tuple(target_size)
        self.color_mode = color_mode
        self.data_format = layout(data_format)
        channels = {"grayscale": 1, "rgb": 3, "rgba": 4}[color_mode]
        first = self.data_format == "channels_first"
        self.image_shape = (channels, *self.target_size) if first else (*self.target_size, channels)
        self.save_to_dir = save_to_dir
        self.save_prefix = save_prefix
        self.save_format = save_format
        self.interpolation = interpolation
        self.keep_aspect_ratio = keep_aspect_ratio
        self.dtype = dtype or config.floatx()
        self.subset = subset
        part = image_data_generator.validation_split
        self.split = {None: None, "validation": (0, part), "training": (part, 1)}[subset]

    @property
    def filepaths(self) -> list[str]:
        """Paths of the pictures."""
        return [os.path.join(self.directory or "", name) for name in self.filenames]

    @property
    def labels(self) -> Any:
        """Target of each picture."""
        return self.classes

    def _image(self, number: int) -> np.ndarray:
        path = os.path.join(self.directory or "", self.filenames[number])
        with load_img(
            path,
            color_mode=self.color_mode,
            target_size=self.target_size,
            interpolation=self.interpolation,
            keep_aspect_ratio=self.keep_aspect_ratio,
        ) as image:
            return np.array(img_to_array(image, self.data_format))

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        batch = self._batch(index_array, self.image_shape)
        if self.class_mode is None:
            return batch
        rest = [] if self.weights is None else [self.weights[index_array]]
        return (batch, self._targets(batch, index_array), *rest)

    class_mode: str | None

    def _targets(self, batch: np.ndarray, index_array: np.ndarray) -> Any:
        labels = self.labels
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "multi_output":
            return [column[index_array] for column in labels]
        if self.class_mode == "categorical":
            rows = np.zeros((len(batch), self.num_classes), dtype=self.dtype)
            for row, number in zip(rows, index_array, strict=True):
                row[labels[number]] = 1
            return rows
        chosen = np.asarray(labels)[index_array]
        return chosen.astype(self.dtype) if self.class_mode == "binary" else chosen


def _check_kind(kind: Any, allowed: Sequence[Any]) -> None:
    if kind not in allowed:
        raise ArgumentError(f"Invalid class_mode: {kind!r}; expected one of {', '.join(map(repr, allowed))}.")


def _pictures(directory: str, follow_links: bool) -> list[str]:
    """Paths of the pictures below a folder, in the order of folders and names."""
    paths = []
    for root, _, names in sorted(os.walk(directory, followlinks=follow_links), key=lambda found: found[0]):
        for name in sorted(names):
            if name.lower().endswith(".tiff"):
                warn("pictures of several bands in '.tiff' files come out distorted.")
            if name.lower().endswith(tuple(f".{ending}" for ending in FORMATS)):
                paths.append(os.path.join(root, name))
    return paths


def _part(items: list[Any], split: tuple[float, float] | None) -> list[Any]:
    return items if split is None else items[int(split[0] * len(items)) : int(split[1] * len(items))]


@adopting
class DirectoryIterator(_Files):
    """Batches of the pictures of a folder that holds a folder for each class.

    Attributes ``samples``, ``num_classes``, ``class_indices``, ``classes`` and ``filenames`` tell what was found.

    Args:
        directory: The folder.
        image_data_generator: What changes and scales them.
        target_size: ``(rows, columns)`` that all are stretched to.
        color_mode: ``"grayscale"``, ``"rgb"`` or ``"rgba"``.
        classes: Names of the class folders, in the order of their numbers; all, sorted, if not given.
        class_mode: What targets are: ``"categorical"`` (one-hot rows), ``"binary"`` and ``"sparse"`` (numbers of
            classes, as floats and as whole numbers), ``"input"`` (the images) or ``None`` (there are none).
        batch_size, shuffle, seed: As for ``Iterator``.
        data_format: ``"channels_last"`` or ``"channels_first"``; as in the settings if not given.
        save_to_dir, save_prefix, save_format: Where the changed images are written too.
        follow_links: Whether links to folders are followed.
        subset: ``"training"`` or ``"validation"``: which part of each class by the generator's ``validation_split``.
        interpolation, keep_aspect_ratio: As for ``load_img``.
        dtype: Type of the batches.
    """

    @spelled
    def __init__(
        self,
        directory: Any,
        image_data_generator: "ImageDataGenerator",
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
    ) -> None:
        self._settle(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
            dtype,
        )
        _check_kind(class_mode, _PLAIN)
        self.directory = directory
        self.class_mode = class_mode
        names = list(classes or sorted(entry.name for entry in Path(directory).iterdir() if entry.is_dir()))
        self.num_classes = len(names)
        self.class_indices = {name: number for number, name in enumerate(names)}
        found = [_part(_pictures(os.path.join(directory, name), follow_links), self.split) for name in names]
        self.filenames = [os.path.relpath(path, directory) for paths in found for path in paths]
        self.samples = len(self.filenames)
        self.classes = np.repeat(np.arange(len(names), dtype="int32"), [len(paths) for paths in found])
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)


@adopting
class DataFrameIterator(_Files):
    """Batches of the pictures that a pandas DataFrame names, with the targets that stand beside the names.

    Args:
        dataframe: The table.
        directory: Folder that names start from; names are whole paths if not given.
        image_data_generator: What changes and scales them.
        x_col: Column of file names.
        y_col: Column of targets, or a list of columns.
        weight_col: Column of sample weights.
        classes: Classes to take, in the order of their numbers; all, sorted, if not given.
        class_mode: As for ``DirectoryIterator``, with ``"raw"`` (the values of ``y_col``) and ``"multi_output"`` (a
            list with the values of each column) beside.
        validate_filenames: Whether files that are not there are left out, with a warning.
        endings: Whether names have their endings; otherwise the file of that name with any ending is meant.
        target_size, color_mode, batch_size, shuffle, seed, data_format: As for ``DirectoryIterator``, and so the others:
        save_to_dir, save_prefix, save_format, subset, interpolation: Copies to save, part to take, way of resizing.
        keep_aspect_ratio, dtype: Whether a picture is cut to the form of ``target_size``, and its type.
    """

    @spelled
    def __init__(
        self,
        dataframe: Any,
        directory: Any = None,
        image_data_generator: Any = None,
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
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
        validate_filenames: bool = True,
        *,
        endings: bool = True,
    ) -> None:
        self._settle(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
            dtype,
        )
        _check_kind(class_mode, (*_PLAIN, "raw", "multi_output", "other"))
        if not isinstance(x_col, str):
            raise ArgumentError(f"x_col is {x_col!r}; expected the name of one column, of file names.")
        self.directory = directory
        self.class_mode = "raw" if class_mode == "other" else class_mode
        table = dataframe.drop_duplicates(x_col).reset_index(drop=True)
        table[x_col] = table[x_col].astype(str)
        table = self._present(table, x_col, validate_filenames, endings)
        named = self.class_mode in ("categorical", "binary", "sparse")
        if classes and not named:
            raise ArgumentError(f"classes go with a class_mode that has classes, and not with {class_mode!r}.")
        self.num_classes = 0
        if named:
            table = self._number_classes(table, y_col, classes)
        table = table.iloc[_part(list(range(len(table))), self.split)]
        self.filenames = table[x_col].tolist()
        self.samples = len(self.filenames)
        self.weights = None if weight_col is None else table[weight_col].to_numpy()
        if named:
            numbers = self.class_indices
            self.classes = [
                [numbers[one] for one in label] if isinstance(label, (list, tuple)) else numbers[label]
                for label in table[y_col]
            ]
        elif self.class_mode == "multi_output":
            self.classes = [np.array(table[column].tolist()) for column in y_col]
        elif self.class_mode == "raw":
            self.classes = table[y_col].to_numpy()
            if self.classes.dtype == object:
                raise TypeError(f"y_col {y_col!r} must be numeric datatypes for class_mode {class_mode!r}.")
        belonging = f" belonging to {self.num_classes} classes" if named else ""
        print(f"Found {self.samples} images{belonging}.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _present(self, table: Any, x_col: str, validate: bool, endings: bool) -> Any:
        """The rows whose files are there, with whole file names."""
        known = tuple(f".{ending}" for ending in FORMATS)
        if not endings:
            files = {os.path.splitext(name)[0]: name for name in self._below(known)}
            table = table[table[x_col].isin(list(files))]
            return table.assign(**{x_col: [files[name] for name in table[x_col]]})
        if len(table) and not table[x_col].iloc[0].lower().endswith(known):
            raise ArgumentError(
                f"{table[x_col].iloc[0]!r} in column {x_col!r} does not end in {', '.join(known)}. "
                "Give names with their endings."
            )
        if not validate:
            return table
        is_there = [os.path.isfile(os.path.join(self.directory or "", name)) for name in table[x_col]]
        if not all(is_there):
            warn(
                f"Found {len(is_there) - sum(is_there)} invalid image filename(s) in x_col={x_col!r}. "
                "These filename(s) will be ignored."
            )
        return table[is_there]

    def _below(self, endings: tuple[str, ...]) -> list[str]:
        folder = self.directory or "."
        return [os.path.relpath(path, folder) for path in _pictures(folder, False) if path.lower().endswith(endings)]

    def _number_classes(self, table: Any, y_col: Any, classes: Sequence[str] | None) -> Any:
        several = [label if isinstance(label, (list, tuple)) else [label] for label in table[y_col]]
        names = list(classes or sorted({one for label in several for one in label}))
        if self.class_mode == "binary" and len(names) != 2:
            raise ArgumentError(f'class_mode="binary" needs 2 classes; found {len(names)}.')
        self.num_classes = len(names)
        self.class_indices = {name: number for number, name in enumerate(names)}
        return table[[all(one in self.class_indices for one in label) for label in several]]
