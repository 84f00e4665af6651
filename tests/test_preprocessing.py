"""Texts, sequences and images: what the recorded numbers do not tell, and the errors."""

import random

import numpy as np
import pytest

from keraunos.preprocessing import image, sequence, text
from keraunos.utils.errors import ArgumentError, ShapeError, UsageError
from keraunos.utils.spelling import in_era

PIL = pytest.importorskip("PIL.Image")
TEXTS = ["one fish two fish", "red fish"]
GENERATORS = [
    {"rotation_range": 40, "shear_range": 10, "zoom_range": [0.8, 1.2]},
    {"width_shift_range": 2, "height_shift_range": [1, 2], "fill_mode": "wrap"},
    {"width_shift_range": 0.2, "height_shift_range": 1.5, "fill_mode": "constant", "cval": 7},
    {"brightness_range": (0.5, 1.5), "channel_shift_range": 20.0},
    {"horizontal_flip": True, "vertical_flip": True, "rescale": 1 / 255},
]


@pytest.fixture
def images():
    return np.random.default_rng(3).uniform(0, 255, (6, 8, 7, 3)).astype("float32")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(5)
    for number in range(6):
        place = tmp_path / ("cats" if number % 2 else "dogs") / ("inner" if number > 3 else "")
        place.mkdir(parents=True, exist_ok=True)
        PIL.fromarray(rng.integers(0, 255, (9, 9, 3), dtype="uint8")).save(place / f"{number}.png")
    (tmp_path / "cats" / "notes.txt").write_text("no picture")
    return tmp_path


# --- texts --------------------------------------------------------------------------------


def test_a_tokenizer_takes_lists_of_words_and_words_of_an_analyzer():
    listed, analyzed = text.Tokenizer(), text.Tokenizer(analyzer=lambda line: line.split("fish"))
    listed.fit_on_texts([line.split() for line in TEXTS])
    analyzed.fit_on_texts(TEXTS)
    assert listed.word_index == {"fish": 1, "one": 2, "two": 3, "red": 4}
    assert set(analyzed.word_index) == {"one ", " two ", "", "red "}
    with pytest.raises(UsageError, match="a function, analyzer, cannot be written"):
        analyzed.to_json()


def test_a_tokenizer_says_what_is_missing():
    with pytest.raises(UsageError, match="how many words there are is unknown"):
        text.Tokenizer().sequences_to_matrix([[1]])
    with pytest.raises(UsageError, match="needs the number of documents"):
        text.Tokenizer(3).sequences_to_matrix([[1]], "tfidf")
    with pytest.raises(ArgumentError, match="mode is 'tfid'. Did you mean 'tfidf'"):
        text.Tokenizer(3).sequences_to_matrix([[1]], "tfid")
    with pytest.raises(ArgumentError, match="no text of Tokenizer.to_json"):
        text.tokenizer_from_json("{}")
    with pytest.raises(ArgumentError, match="unknown argument 'num_word'. Did you mean 'num_words'"):
        text.Tokenizer(num_word=3)


def test_sequences_alone_are_enough_for_a_matrix():
    tokenizer = text.Tokenizer(num_words=4)
    tokenizer.fit_on_sequences([[1, 1, 2], [2, 9]])
    assert tokenizer.document_count == 2
    assert dict(tokenizer.index_docs) == {1: 1, 2: 2, 9: 1}
    expected = np.log(1 + 2 / (1 + 2))
    assert tokenizer.sequences_to_matrix([[2]], "tfidf").tolist() == [[0, 0, pytest.approx(expected), 0]]


def test_keras_1_counted_afresh_and_kept_the_case_of_characters():
    with in_era(1):
        tokenizer = text.Tokenizer(nb_words=50, char_level=True)
        tokenizer.fit_on_texts(["Ab"])
        tokenizer.fit_on_texts(["b"])
    assert (tokenizer.nb_words, tokenizer.document_count) == (50, 1)
    assert tokenizer.word_index == {"b": 1, "A": 2}


@pytest.mark.parametrize("n", [None, 1])
def test_hashing_needs_room_for_two_numbers(n):
    with pytest.raises(ArgumentError, match="expected a whole number of at least 2"):
        text.hashing_trick("a b", n, "md5")
    with pytest.raises(ArgumentError, match="expected a function, 'md5' or None"):
        text.hashing_trick("a b", 5, "sha1")


def test_one_hot_numbers_are_in_range():
    assert all(0 < number < 7 for number in text.one_hot("many words of some length", 7))


# --- sequences ----------------------------------------------------------------------------


def test_skipgrams_leave_frequent_words_out():
    random.seed(3)
    couples, labels = sequence.skipgrams([1, 2, 3, 0, 4], 9, negative_samples=2, sampling_table=[1, 0, 1, 1, 1], seed=1)
    assert all(word != 1 for word, _ in couples)
    assert len(labels) == 3 * sum(labels)
    assert all(other != 0 for _, other in couples)


def test_a_series_comes_back_from_its_json():
    made = sequence.TimeseriesGenerator(np.arange(12).reshape(6, 2), np.arange(6), length=2, batch_size=3, reverse=True)
    again = sequence.timeseries_generator_from_json(made.to_json())
    assert [batch.tolist() for batch in again[1]] == [batch.tolist() for batch in made[1]]
    shuffled = sequence.TimeseriesGenerator(np.arange(6), np.arange(6), length=2, shuffle=True, batch_size=4)
    windows, targets = shuffled[0]
    assert (windows[:, -1] + 1 == targets).all()
    with pytest.raises(ArgumentError, match="data has 3 times, but targets has 2"):
        sequence.TimeseriesGenerator([1, 2, 3], [1, 2], length=1)
    with pytest.raises(ArgumentError, match="start_index.length=3 > end_index=2"):
        sequence.TimeseriesGenerator([1, 2, 3], [1, 2, 3], length=3)


# --- images -------------------------------------------------------------------------------


@pytest.mark.parametrize("era", [1, 2, 3])
@pytest.mark.parametrize("arguments", GENERATORS, ids=lambda arguments: next(iter(arguments)))
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_random_changes_keep_the_shape_and_follow_the_seed(images, arguments, data_format, era):
    x = images if data_format == "channels_last" else np.moveaxis(images, -1, 1)
    with in_era(era):
        flow = [image.ImageDataGenerator(data_format=data_format, **arguments).flow(x, seed=7) for _ in range(2)]
        first, second = (next(one) for one in flow)
    assert first.shape == x.shape
    assert first.dtype == np.float32
    assert (first == second).all()
    in_order = [image.ImageDataGenerator(data_format=data_format, **arguments).flow(x, shuffle=False)[0] for _ in "ab"]
    assert not np.allclose(*in_order)


def test_no_change_gives_the_images_back(images):
    for era in (1, 2, 3):
        with in_era(era):
            found = next(image.ImageDataGenerator().flow(images, shuffle=False))
        assert (found == images).all()


@pytest.mark.parametrize("axis, data_format", [(3, "channels_last"), (1, "channels_first")])
def test_statistics_of_a_training_set_make_it_standard(images, axis, data_format):
    x = np.moveaxis(images, 3, axis)
    generator = image.ImageDataGenerator(
        featurewise_center=True, featurewise_std_normalization=True, data_format=data_format
    )
    generator.fit(x)
    found = next(generator.flow(x, shuffle=False, batch_size=6))
    others = tuple(a for a in range(4) if a != axis)
    assert np.allclose(found.mean(others), 0, atol=1e-4)
    assert np.allclose(found.std(others), 1, atol=1e-3)
    generator.fit(x, augment=True, rounds=2, seed=1)


def test_flags_switch_others_with_a_warning(images):
    with pytest.warns(UserWarning, match="`zca_whitening`, which overrides setting of `featurewise_center`"):
        assert image.ImageDataGenerator(zca_whitening=True).featurewise_center
    with pytest.warns(UserWarning, match="`samplewise_std_normalization`, which overrides"):
        assert image.ImageDataGenerator(samplewise_std_normalization=True).samplewise_center
    with pytest.warns(UserWarning, match="hasn't been fit on any training data"):
        image.ImageDataGenerator(featurewise_center=True).standardize(images[0])


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"validation_split": 5}, "`validation_split` must be strictly between 0 and 1"),
        ({"zoom_range": [1, 2, 3]}, "`zoom_range` should be a float or a tuple or list of two floats"),
        ({"brightness_range": 0.5}, "object of type 'float' has no len"),
        ({"data_format": "channel_last"}, "data_format is 'channel_last'. Did you mean 'channels_last'"),
    ],
)
def test_wrong_arguments_of_a_generator_are_named(arguments, words):
    with pytest.raises((ArgumentError, TypeError), match=words):
        image.ImageDataGenerator(**arguments)


def test_further_arrays_targets_and_weights_go_along(images):
    generator = image.ImageDataGenerator()
    (x, one, two), y, w = generator.flow(
        (images, [np.arange(6), np.arange(12).reshape(6, 2)]),
        np.arange(6),
        sample_weight=np.arange(6) * 2,
        shuffle=False,
    )[0]
    assert x.shape == images.shape
    assert one.tolist() == y.tolist() == [0, 1, 2, 3, 4, 5]
    assert (two.shape, w.tolist()) == ((6, 2), [0, 2, 4, 6, 8, 10])
    with pytest.raises(ShapeError, match="All of the arrays in `x` should have the same length"):
        generator.flow((images, np.arange(5)))
    with pytest.raises(ShapeError, match=r"`x` \(images tensor\) and `y` \(labels\) should have the same length"):
        generator.flow(images, np.arange(5))
    with pytest.raises(ShapeError, match="should have rank 4"):
        generator.flow(np.zeros((3, 4)))


def test_a_part_of_the_images_is_kept_for_validation(images):
    generator = image.ImageDataGenerator(validation_split=0.5)
    y = np.array([0, 1, 0, 1, 0, 1])
    kept = generator.flow(images, y, subset="validation", shuffle=False)
    rest = generator.flow(images, y, subset="training", shuffle=False)
    assert (kept.n, rest.n) == (3, 3)
    assert (kept[0][0] == images[:3]).all()
    with pytest.raises(ArgumentError, match="different number of classes after the split"):
        generator.flow(images, np.sort(y), subset="training")
    generator.flow(images, np.sort(y), subset="training", ignore_class_split=True)
    with pytest.raises(ArgumentError, match='expected "training" or "validation"'):
        generator.flow(images, y, subset="test")


@pytest.mark.parametrize("mode", ["categorical", "binary", "sparse", "input", None])
def test_folders_are_classes(folder, mode, capsys):
    flow = image.ImageDataGenerator().flow_from_directory(
        folder, target_size=(4, 5), class_mode=mode, batch_size=4, shuffle=False, color_mode="grayscale"
    )
    assert capsys.readouterr().out == "Found 6 images belonging to 2 classes.\n"
    assert flow.class_indices == {"cats": 0, "dogs": 1}
    assert flow.classes.tolist() == [0, 0, 0, 1, 1, 1]
    assert sorted(flow.filenames) == sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    batch = next(flow)
    x = batch if mode is None else batch[0]
    assert x.shape == (4, 4, 5, 1)
    expected = {"categorical": [[1, 0]] * 3 + [[0, 1]], "binary": [0, 0, 0, 1], "sparse": [0, 0, 0, 1]}
    if mode in expected:
        assert batch[1].tolist() == expected[mode]
    assert len(next(flow)[0] if mode else next(flow)) == 2
    assert len(flow) == 2
    with pytest.raises(ArgumentError, match="Asked to retrieve element 2, but the Sequence has length 2"):
        flow[2]


def test_a_folder_divides_into_training_and_validation(folder, tmp_path, capsys):
    generator = image.ImageDataGenerator(validation_split=0.34)
    out = tmp_path / "changed"
    out.mkdir()
    parts = {
        subset: generator.flow_from_directory(folder, (4, 4), subset=subset, classes=["dogs", "cats"], save_to_dir=out)
        for subset in ("training", "validation")
    }
    assert {name: part.samples for name, part in parts.items()} == {"training": 4, "validation": 2}
    assert not set(parts["training"].filenames) & set(parts["validation"].filenames)
    next(parts["validation"])
    assert len(list(out.iterdir())) == 2
    with pytest.raises(ArgumentError, match="Invalid class_mode: 'multi'"):
        generator.flow_from_directory(folder, class_mode="multi")
    with pytest.raises(ArgumentError, match="Invalid color mode: 'rgbx'"):
        generator.flow_from_directory(folder, color_mode="rgbx")


@pytest.mark.parametrize(
    "mode, y_col, expected",
    [
        ("categorical", "kind", [[0, 1], [1, 0]]),
        ("sparse", "kind", [1, 0]),
        ("raw", "size", [1.5, 2.5]),
        ("other", ["size", "age"], [[1.5, 3.0], [2.5, 4.0]]),
        ("multi_output", ["size", "age"], [[1.5, 2.5], [3.0, 4.0]]),
        (None, "kind", None),
    ],
)
def test_a_table_names_pictures_and_targets(folder, mode, y_col, expected):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {"filename": ["0.png", "2.png"], "kind": ["b", "a"], "size": [1.5, 2.5], "age": [3.0, 4.0], "w": [1.0, 0.5]}
    )
    flow = image.ImageDataGenerator().flow_from_dataframe(
        table, folder / "dogs", y_col=y_col, class_mode=mode, target_size=(3, 3), shuffle=False, weight_col="w"
    )
    batch = next(flow)
    if expected is None:
        assert batch.shape == (2, 3, 3, 3)
    else:
        assert np.array(batch[1]).tolist() == expected
        assert batch[2].tolist() == [1.0, 0.5]


def test_a_table_may_leave_out_endings_and_pictures(folder):
    pandas = pytest.importorskip("pandas")
    generator = image.ImageDataGenerator()
    bare = pandas.DataFrame({"filename": ["2", "0", "gone"], "class": ["a", "b", "a"]})
    with in_era(2):
        flow = generator.flow_from_dataframe(bare, folder / "dogs", has_ext=False)
    assert flow.filenames == ["2.png", "0.png"]
    with pytest.warns(UserWarning, match="Found 1 invalid image filename"):
        generator.flow_from_dataframe(bare.assign(filename=["2.png", "0.png", "gone.png"]), folder / "dogs")
    with pytest.raises(ArgumentError, match="does not end in .png"):
        generator.flow_from_dataframe(bare, folder / "dogs")
    with pytest.raises(TypeError, match="must be numeric"):
        generator.flow_from_dataframe(bare, folder / "dogs", class_mode="raw", endings=False)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_picture_survives_its_file(tmp_path, channels, data_format):
    x = np.random.default_rng(2).integers(0, 255, (5, 6, channels)).astype("float32")
    given = x if data_format == "channels_last" else np.moveaxis(x, -1, 0)
    image.save_img(tmp_path / "x.png", given, data_format=data_format, scale=False)
    mode = {1: "grayscale", 3: "rgb", 4: "rgba"}[channels]
    with image.load_img(tmp_path / "x.png", color_mode=mode) as read:
        assert (image.img_to_array(read, data_format=data_format) == given).all()
    with image.load_img(tmp_path / "x.png", target_size=(3, 2), keep_aspect_ratio=True, interpolation="box") as small:
        assert small.size == (2, 3)


def test_old_spellings_of_pictures(tmp_path):
    image.save_img(tmp_path / "x.png", np.zeros((4, 5, 3)))
    with in_era(1), image.load_img(tmp_path / "x.png", True, (2, 3)) as gray:
        assert image.img_to_array(gray, "th").shape == (1, 2, 3)
    with in_era(2), image.load_img(tmp_path / "x.png", False, "rgb", (2, 3)) as read:
        assert image.img_to_array(read).shape == (2, 3, 3)
    assert [path.rpartition("/")[2] for path in image.list_pictures(tmp_path)] == ["x.png"]


def test_what_is_no_picture_is_refused(tmp_path):
    with pytest.raises(ShapeError, match="unsupported channel number: 2"):
        image.array_to_img(np.zeros((3, 3, 2)))
    with pytest.raises(ShapeError, match="of three axes"):
        image.array_to_img(np.zeros((3, 3)))
    with pytest.raises(ShapeError, match="unsupported image shape"):
        image.img_to_array(np.zeros(3))
    image.save_img(tmp_path / "x.png", np.zeros((4, 5, 3)))
    with pytest.raises(ArgumentError, match="interpolation is 'near'. Did you mean 'nearest'"):
        image.load_img(tmp_path / "x.png", target_size=(2, 2), interpolation="near")
    with pytest.raises(ArgumentError, match="color_mode is 'gray'"):
        image.load_img(tmp_path / "x.png", color_mode="gray")
    with pytest.raises(ArgumentError, match="expected 0, 1 and 2 in some order"):
        image.apply_affine_transform(np.zeros((3, 3, 3)), theta=3, row_axis=0, col_axis=0)


def test_the_random_functions_take_their_ranges():
    x = np.random.default_rng(1).uniform(0, 255, (3, 6, 7))
    assert image.random_rotation(x, 30).shape == x.shape
    assert (image.random_shift(x, 0, 0) == x).all()
    assert (image.random_zoom(x, (1, 1)) == x).all()
    assert (image.random_channel_shift(x, 0) == x).all()
    assert image.random_brightness(np.moveaxis(x, 0, -1), (0.5, 1.5)).shape == (6, 7, 3)
    with pytest.raises(ArgumentError, match="`zoom_range` should be a tuple or list of two floats"):
        image.random_zoom(x, 0.5)
    with pytest.raises(ArgumentError, match="`brightness_range` should be a tuple"):
        image.random_brightness(x, (1, 2, 3))


def test_a_mirrored_picture_has_its_edge_twice_before_keras_3():
    row, by = np.array([[[10.0, 20.0, 40.0]]]), np.eye(3)
    by[1, 2] = -0.3  # what stands at -0.3, 0.7 and 1.7

    def moved(shift, order=1):
        by[1, 2] = shift
        return image.apply_transform(row, by, 0, "reflect", order=order).ravel().round(3).tolist()

    with in_era(2):
        # -0.3 is mirrored to -0.7 about the edge, and then -1 to 1 about the middle of the first pixel.
        assert moved(-0.3) == [0.7 * 20 + 0.3 * 10, 17.0, 34.0]
        # 2.3 stays, and 3 is mirrored to 1 about the middle of the last pixel.
        assert moved(0.3) == [13.0, 26.0, 0.7 * 40 + 0.3 * 20]
        assert moved(-1.0) == [10.0, 10.0, 20.0]
        assert moved(7.0) == moved(1.0) == [20.0, 40.0, 40.0]
        assert moved(-0.7, order=0) == [10.0, 10.0, 20.0]
    assert moved(-0.3) == [10.0, 17.0, 34.0]
