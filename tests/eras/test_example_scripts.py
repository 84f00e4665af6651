"""Scripts in the manner of the examples of Keras 1 and 2 that train: each learns, or computes what it should."""

import numpy as np
import pytest

import keraunos


@pytest.fixture(params=[1, 2])
def era(request):
    """``import keras`` means that of an era."""
    np.random.seed(3)
    keraunos.install_as_keras(era=request.param)
    yield request.param
    keraunos.uninstall_keras()


def epochs(era, count):
    return {"nb_epoch": count} if era == 1 else {"epochs": count}


def convolution(era, filters, size, same=False, **options):
    """A convolution in the era's own spelling."""
    from keras.layers import Convolution2D

    if era == 1:
        return Convolution2D(filters, size, size, border_mode="same" if same else "valid", **options)
    return Convolution2D(filters, (size, size), padding="same" if same else "valid", **options)


def joined(era, tensors, mode):
    """Tensors added, concatenated or multiplied in the era's own spelling."""
    from keras import layers

    if era == 1:
        return layers.merge(tensors, mode={"add": "sum", "concatenate": "concat", "multiply": "mul"}[mode])
    return getattr(layers, mode)(tensors)


def model_of(era, inputs, outputs):
    from keras.models import Model

    return Model(input=inputs, output=outputs) if era == 1 else Model(inputs, outputs)


# --- questions, sentences, characters -------------------------------------------------------

STORIES = [
    ("anna took the key . ben went out .", "who has the key ?", "anna"),
    ("ben took the key . anna went out .", "who has the key ?", "ben"),
    ("anna took the cup . ben went out .", "who has the cup ?", "anna"),
    ("ben took the cup . anna went out .", "who has the cup ?", "ben"),
]


def test_a_memory_network_answers_from_a_story(era):
    from keras.layers import LSTM, Activation, Dense, Embedding, Permute
    from keras.models import Sequential
    from keras.optimizers import Adam
    from keras.preprocessing.sequence import pad_sequences

    words = sorted({word for part in STORIES for text in part for word in text.split()})
    number = {word: place for place, word in enumerate(words, 1)}
    stories, questions = (
        pad_sequences([[number[word] for word in row[part].split()] for row in STORIES], maxlen=length)
        for part, length in ((0, 8), (1, 5))
    )
    answers = np.zeros((4, len(words) + 1))
    answers[range(4), [number[row[2]] for row in STORIES]] = 1
    size = len(words) + 1
    if era == 1:
        from keras.layers import Merge

        memory = Sequential([Embedding(size, 6, input_length=8)])
        question = Sequential([Embedding(size, 6, input_length=5)])
        response = Sequential([Embedding(size, 5, input_length=8)])
        match = Sequential([Merge([memory, question], mode="dot", dot_axes=[2, 2]), Activation("softmax")])
        heard = Sequential([Merge([match, response], mode="sum"), Permute((2, 1))])
        model = Sequential([Merge([heard, question], mode="concat", concat_axis=-1)])
        for layer in (LSTM(12), Dense(size), Activation("softmax")):
            model.add(layer)
        inputs = [stories, questions, stories]
    else:
        from keras.layers import Input, add, concatenate, dot

        story, asked = Input((8,)), Input((5,))
        encoded = Embedding(size, 6)(asked)
        match = Activation("softmax")(dot([Embedding(size, 6)(story), encoded], axes=(2, 2)))
        heard = Permute((2, 1))(add([match, Embedding(size, 5)(story)]))
        outputs = Activation("softmax")(Dense(size)(LSTM(12)(concatenate([heard, encoded]))))
        model = model_of(era, [story, asked], outputs)
        inputs = [stories, questions]
    model.compile(optimizer=Adam(lr=0.02), loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(inputs, answers, batch_size=4, verbose=0, **epochs(era, 100)).history
    assert history["acc"][-1] == 1


def test_text_is_written_character_by_character(era):
    from keras.layers import LSTM, Activation, Dense
    from keras.models import Sequential
    from keras.optimizers import RMSprop

    text = "abcabd" * 8
    characters = sorted(set(text))
    coded = np.eye(len(characters))[[characters.index(character) for character in text]]
    x = np.array([coded[start : start + 4] for start in range(len(text) - 4)])
    model = Sequential([LSTM(10, input_shape=(4, len(characters))), Dense(len(characters)), Activation("softmax")])
    model.compile(loss="categorical_crossentropy", optimizer=RMSprop(lr=0.05))
    for _ in range(4):
        model.fit(x, coded[4:], batch_size=16, verbose=0, **epochs(era, 10))
    written, window = "", x[:1]
    for _ in range(12):
        chances = np.log(np.asarray(model.predict(window, verbose=0)[0]).astype("float64") + 1e-9) / 0.2
        chances = np.exp(chances) / np.sum(np.exp(chances))
        best = int(np.argmax(np.random.multinomial(1, chances, 1)))
        written += characters[best]
        window = np.concatenate([window[:, 1:], np.eye(len(characters))[None, None, best]], axis=1)
    assert written == text[4:16]


def test_sums_are_read_and_written_as_sequences(era):
    from keras.layers import LSTM, Activation, Dense, RepeatVector, TimeDistributed, recurrent
    from keras.models import Sequential

    assert recurrent.LSTM is LSTM
    digits = np.random.randint(0, 5, (64, 2))
    x = np.eye(10)[digits]
    y = np.stack([np.eye(10)[digits.sum(1) // 10], np.eye(10)[digits.sum(1) % 10]], axis=1)
    model = Sequential([LSTM(16, input_shape=(2, 10)), RepeatVector(2), LSTM(16, return_sequences=True)])
    model.add(TimeDistributed(Dense(10)))
    model.add(Activation("softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=16, verbose=0, **epochs(era, 30)).history
    assert history["acc"][-1] > history["acc"][0]
    guess = model.predict_classes(x[:3], verbose=0)
    assert np.array_equal(guess, model.predict(x[:3], verbose=0).argmax(-1))


@pytest.mark.parametrize("era", [2], indirect=True)
def test_an_encoder_hands_its_state_to_a_decoder_that_is_restored(era, tmp_path):
    from keras.layers import LSTM, Dense, Input
    from keras.models import Model, load_model

    encoder_inputs, decoder_inputs = Input(shape=(None, 3)), Input(shape=(None, 4))
    _, h, c = LSTM(5, return_state=True)(encoder_inputs)
    sequence, _, _ = LSTM(5, return_sequences=True, return_state=True)(decoder_inputs, initial_state=[h, c])
    outputs = Dense(4, activation="softmax")(sequence)
    model = Model([encoder_inputs, decoder_inputs], outputs)
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy")
    x, given = np.random.random((8, 6, 3)), np.eye(4)[np.random.randint(0, 4, (8, 5))]
    model.fit([x, given], np.roll(given, -1, 1), batch_size=4, epochs=1, validation_split=0.25, verbose=0)
    model.save(str(tmp_path / "s2s.h5"))

    restored = load_model(str(tmp_path / "s2s.h5"))
    _, h, c = restored.layers[2].output
    encoder = Model(restored.input[0], [h, c])
    states = [Input(shape=(5,), name="input_h"), Input(shape=(5,), name="input_c")]
    sequence, h, c = restored.layers[3](restored.input[1], initial_state=states)
    decoder = Model([restored.input[1], *states], [restored.layers[4](sequence), h, c])
    state = encoder.predict(x, verbose=0)
    steps = []
    for place in range(5):  # one character after another, the state carried by hand
        step, *state = decoder.predict([given[:, place : place + 1], *state], verbose=0)
        steps.append(step)
    whole = model.predict([x, given], verbose=0)
    np.testing.assert_allclose(np.concatenate(steps, axis=1), whole, rtol=1e-4, atol=1e-6)


def test_a_state_is_kept_from_batch_to_batch_until_it_is_reset(era):
    from keras.layers import LSTM, Dense
    from keras.models import Sequential

    model = Sequential([LSTM(4, batch_input_shape=(2, 3, 1), stateful=True), Dense(1)])
    model.compile(loss="mse", optimizer="rmsprop")
    x = np.random.random((6, 3, 1))
    for _ in range(2):
        model.fit(x, x.mean(1), batch_size=2, shuffle=False, verbose=0, **epochs(era, 1))
        model.reset_states()
    first = model.predict(x, batch_size=2, verbose=0)
    assert not np.allclose(model.predict(x, batch_size=2, verbose=0)[:2], first[:2], rtol=1e-6)
    model.reset_states()
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), first, rtol=1e-5)


# --- pictures -------------------------------------------------------------------------------


def bars(count, size):
    """Images of a horizontal (0) or a vertical (1) bar."""
    labels = np.random.randint(0, 2, count)
    images = np.random.random((count, size, size, 1)) * 0.1
    for image, label, place in zip(images, labels, np.random.randint(0, size, count), strict=True):
        image[(slice(None), place) if label else place] = 1
    return images, np.eye(2)[labels]


def test_a_residual_network_learns_with_its_callbacks(era, tmp_path):
    from keras.callbacks import LearningRateScheduler, ModelCheckpoint
    from keras.layers import Activation, AveragePooling2D, BatchNormalization, Dense, Flatten, Input
    from keras.models import load_model
    from keras.optimizers import Adam
    from keras.regularizers import l2

    penalty = {"W_regularizer" if era == 1 else "kernel_regularizer": l2(1e-4)}
    image = Input(shape=(6, 6, 1))
    x = convolution(era, 4, 3, same=True, **penalty)(image)
    y = Activation("relu")(BatchNormalization()(x))
    y = convolution(era, 4, 3, same=True, **penalty)(y)
    x = Activation("relu")(joined(era, [x, y], "add"))
    outputs = Dense(2, activation="softmax")(Flatten()(AveragePooling2D((2, 2))(x)))
    model = model_of(era, image, outputs)
    model.compile(loss="categorical_crossentropy", optimizer=Adam(lr=0.03), metrics=["accuracy"])
    x, y = bars(48, 6)
    path, rates = str(tmp_path / "resnet.h5"), []
    calls = [
        ModelCheckpoint(path, monitor="val_acc", save_best_only=True, mode="max"),
        LearningRateScheduler(lambda epoch: rates.append(epoch) or 0.03 / (1 + epoch // 4)),
    ]
    history = model.fit(
        x, y, batch_size=12, validation_data=(x, y), callbacks=calls, verbose=0, **epochs(era, 8)
    ).history
    assert rates == list(range(8))
    assert max(history["val_acc"]) > 0.9
    found = load_model(path).evaluate(x, y, batch_size=48, verbose=0)
    np.testing.assert_allclose(found[1], max(history["val_acc"]), atol=1e-6)


def test_features_are_frozen_and_a_new_head_is_trained(era):
    from keras.layers import Activation, Dense, Flatten
    from keras.models import Sequential

    features = [convolution(era, 3, 3, input_shape=(6, 6, 1)), Activation("relu"), Flatten()]
    head = [Dense(2), Activation("softmax")]
    model = Sequential(features + head)
    x, y = bars(16, 6)

    def train(model):
        model.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
        model.fit(x, y, batch_size=8, verbose=0, **epochs(era, 1))
        return model.get_weights()

    before = train(model)
    for layer in features:
        layer.trainable = False
    after = train(model)
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, False, False]
    assert len(model.trainable_weights) == 2


def test_a_wider_student_computes_what_its_teacher_does(era):
    from keras.layers import Dense
    from keras.models import Sequential

    teacher = Sequential([Dense(3, input_shape=(4,), activation="relu", name="fc1"), Dense(2, name="fc2")])
    (w1, b1), (w2, b2) = (teacher.get_layer(name).get_weights() for name in ("fc1", "fc2"))
    chosen = np.random.randint(0, 3, 2)  # units that are doubled, so that each half counts half
    share = np.bincount(np.concatenate([np.arange(3), chosen]), minlength=3)
    wide = w1[:, chosen], b1[chosen], w2[chosen] / share[chosen, None]
    student = Sequential([Dense(5, input_shape=(4,), activation="relu", name="fc1"), Dense(2, name="fc2")])
    student.get_layer("fc1").set_weights([np.concatenate([w1, wide[0]], 1), np.concatenate([b1, wide[1]])])
    student.get_layer("fc2").set_weights([np.concatenate([w2 / share[:, None], wide[2]]), b2])
    identity = {"init": "identity"} if era == 1 else {"kernel_initializer": "identity"}
    deeper = Sequential([*student.layers[:1], Dense(5, activation="relu", **identity), student.layers[1]])
    x = np.random.normal(size=(6, 4))
    for other in (student, deeper):
        np.testing.assert_allclose(other.predict(x, verbose=0), teacher.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def test_a_grid_of_parameters_is_searched_by_scikit_learn(era):
    from keras.layers import Activation, Dense, Flatten
    from keras.models import Sequential
    from keras.wrappers.scikit_learn import KerasClassifier

    selection = pytest.importorskip("sklearn.model_selection")

    def make_model(units):
        model = Sequential([Flatten(input_shape=(4, 4, 1)), Dense(units), Activation("relu"), Dense(2)])
        model.add(Activation("softmax"))
        model.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
        return model

    x, y = bars(24, 4)
    grid = {"units": [3], "nb_epoch" if era == 1 else "epochs": [1, 2]}
    search = selection.GridSearchCV(
        KerasClassifier(make_model, batch_size=8, verbose=0), grid, scoring="neg_log_loss", cv=2
    )
    search.fit(x, y.argmax(1))
    assert search.best_params_ in list(selection.ParameterGrid(grid))
    best = search.best_estimator_.model
    names = dict(zip(best.metrics_names, best.evaluate(x, y, verbose=0), strict=True))
    assert set(names) == {"loss", "acc"}


def test_images_come_from_a_generator_that_turns_them(era):
    from keras.layers import Dense, Flatten
    from keras.models import Sequential
    from keras.preprocessing.image import ImageDataGenerator

    x, y = bars(20, 6)
    generator = ImageDataGenerator(featurewise_center=True, horizontal_flip=True, vertical_flip=True)
    generator.fit(x)
    model = Sequential([convolution(era, 2, 3, input_shape=(6, 6, 1)), Flatten(), Dense(2, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    flow = generator.flow(x, y, batch_size=8)
    size = {"samples_per_epoch": 20} if era == 1 else {"steps_per_epoch": 3}
    history = model.fit_generator(flow, validation_data=(x, y), verbose=0, **size, **epochs(era, 2)).history
    assert set(history) == {"loss", "acc", "val_loss", "val_acc"}
    centred = next(generator.flow(x, batch_size=20, shuffle=False))
    assert centred.shape == x.shape
    np.testing.assert_allclose(np.sort(centred.ravel()), np.sort((x - x.mean()).ravel()), atol=1e-5)


def test_rows_of_an_image_are_read_by_one_network_and_joined_by_another(era):
    from keras.layers import LSTM, Dense, Input, TimeDistributed

    image = Input(shape=(4, 4, 1))
    rows = LSTM(output_dim=5) if era == 1 else LSTM(5)
    columns = LSTM(5)
    outputs = Dense(2, activation="softmax")(columns(TimeDistributed(rows)(image)))
    model = model_of(era, image, outputs)
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    assert model.layers[1].output_shape == (None, 4, 5)
    x, y = bars(16, 4)
    history = model.fit(x, y, batch_size=8, verbose=0, **epochs(era, 6)).history
    assert history["loss"][-1] < history["loss"][0]


def test_the_next_picture_of_a_film_is_told(era):
    from keras.layers import BatchNormalization, ConvLSTM2D, Convolution3D
    from keras.models import Sequential

    if era == 1:
        first = ConvLSTM2D(nb_filter=2, nb_row=3, nb_col=3, input_shape=(None, 5, 5, 1), border_mode="same",
                           return_sequences=True)  # fmt: skip
        last = Convolution3D(1, 3, 3, 3, activation="sigmoid", border_mode="same", dim_ordering="tf")
    else:
        first = ConvLSTM2D(filters=2, kernel_size=(3, 3), input_shape=(None, 5, 5, 1), padding="same",
                           return_sequences=True)  # fmt: skip
        last = Convolution3D(1, (3, 3, 3), activation="sigmoid", padding="same", data_format="channels_last")
    model = Sequential([first, BatchNormalization(), last])
    model.compile(loss="binary_crossentropy", optimizer="adadelta")
    film = np.zeros((4, 4, 5, 5, 1))
    for place in range(4):
        film[:, place, place, :] = 1  # a line that falls
    history = model.fit(film[:, :-1], film[:, 1:], batch_size=2, verbose=0, **epochs(era, 4)).history
    assert history["loss"][-1] < history["loss"][0]
    assert model.predict(film[:1, :2], verbose=0).shape == (1, 2, 5, 5, 1)  # of a film of another length


# --- autoencoders, capsules -----------------------------------------------------------------


def test_a_decoder_is_told_where_the_largest_stood(era):
    from keras import backend as K
    from keras.layers import BatchNormalization, Input, Lambda, MaxPooling2D, UpSampling2D

    def where(tensors):
        before, after = tensors
        return K.gradients(K.sum(after), before)[0]

    image = Input(shape=(4, 4, 1))
    features = BatchNormalization()(convolution(era, 3, 3, same=True, activation="relu")(image))
    pooled = MaxPooling2D((2, 2))(features)
    place = Lambda(where, output_shape=(4, 4, 3))([features, pooled])
    back = joined(era, [UpSampling2D((2, 2))(pooled), place], "multiply")
    model = model_of(era, image, convolution(era, 1, 3, same=True)(back))
    model.compile("adam", "mse")
    x, _ = bars(16, 4)
    history = model.fit(x, x, batch_size=8, verbose=0, **epochs(era, 10)).history["loss"]
    assert history[-1] < history[0]


def test_noise_is_taken_off_by_a_convolution_that_is_turned_back(era):
    from keras import backend as K
    from keras.layers import Dense, Flatten, Input, Reshape

    image = Input(shape=(6, 6, 1))
    if era == 1:
        from keras.layers import Deconvolution2D

        x = convolution(era, 4, 3, same=True, subsample=(2, 2), activation="relu")(image)
        back = Deconvolution2D(
            1, 3, 3, output_shape=(None, 6, 6, 1), border_mode="same", subsample=(2, 2), activation="sigmoid"
        )
    else:
        from keras.layers import Conv2DTranspose

        x = convolution(era, 4, 3, same=True, strides=2, activation="relu")(image)
        back = Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")
    shape = K.int_shape(x)
    latent = Dense(8, name="latent")(Flatten()(x))
    decoded = back(Reshape((shape[1], shape[2], shape[3]))(Dense(shape[1] * shape[2] * shape[3])(latent)))
    model = model_of(era, image, decoded)
    model.compile(loss="mse", optimizer="adam")
    clean, _ = bars(32, 6)
    noisy = np.clip(clean + np.random.normal(scale=0.3, size=clean.shape), 0, 1)
    history = model.fit(noisy, clean, batch_size=16, verbose=0, **epochs(era, 12)).history["loss"]
    assert history[-1] < history[0]
    assert model.predict(noisy[:3], verbose=0).shape == (3, 6, 6, 1)


@pytest.mark.parametrize("era", [2], indirect=True)
def test_capsules_agree_by_routing(era):
    from keras import backend as K
    from keras.layers import Input, Lambda, Layer, Reshape
    from keras.models import Model

    def squash(x, axis=-1):
        size = K.sum(K.square(x), axis, keepdims=True) + K.epsilon()
        return K.sqrt(size) / (0.5 + size) * x

    class Capsule(Layer):
        def __init__(self, count, width, rounds=2, **kwargs):
            super().__init__(**kwargs)
            self.count, self.width, self.rounds = count, width, rounds

        def build(self, shape):
            self.kernel = self.add_weight("kernel", (1, shape[-1], self.count * self.width), "glorot_uniform")
            self.built = True

        def call(self, inputs):
            said = K.reshape(K.conv1d(inputs, self.kernel), (-1, K.shape(inputs)[1], self.count, self.width))
            said = K.permute_dimensions(said, (0, 2, 1, 3))
            trust = K.zeros_like(said[:, :, :, 0])
            for turn in range(self.rounds):
                heard = K.exp(trust - K.max(trust, 1, keepdims=True))
                agreed = squash(K.batch_dot(heard / K.sum(heard, 1, keepdims=True), said, [2, 2]))
                if turn < self.rounds - 1:
                    trust = K.batch_dot(agreed, said, [2, 3])
            return agreed

        def compute_output_shape(self, shape):
            return (None, self.count, self.width)

    def margin_loss(y_true, y_pred):
        hit, miss = K.square(K.relu(1 - y_pred)), K.square(K.relu(y_pred - 0.1))
        return K.sum(y_true * hit + 0.25 * (1 - y_true) * miss, axis=-1)

    image = Input(shape=(5, 5, 1))
    seen = Reshape((-1, 4))(convolution(era, 4, 3, activation="relu")(image))
    capsules = Capsule(2, 3)(seen)
    model = Model(image, Lambda(lambda z: K.sqrt(K.sum(K.square(z), 2)))(capsules))
    model.compile(loss=margin_loss, optimizer="adam", metrics=["accuracy"])
    x, y = bars(32, 5)
    history = model.fit(x, y, batch_size=16, epochs=12, verbose=0).history["loss"]
    assert history[-1] < history[0]
    # One round of routing, by NumPy: every input is heard alike.
    alone = Capsule(2, 3, rounds=1)
    given = Input((9, 4))
    once = Model(given, alone(given))
    features = np.random.random((2, 9, 4)).astype("float32")
    said = (features @ alone.get_weights()[0][0]).reshape(2, 9, 2, 3).sum(1) / 2
    size = (said**2).sum(-1, keepdims=True)
    np.testing.assert_allclose(once.predict(features, verbose=0), np.sqrt(size) / (0.5 + size) * said, rtol=1e-4)
