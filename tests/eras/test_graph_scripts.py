"""Scripts in the manner of the examples of Keras 1 and 2 that build graphs: they run, and compute what they should."""

import numpy as np
import pytest

import keraunos


@pytest.fixture(params=[1, 2])
def era(request):
    """``import keras`` means that of an era."""
    np.random.seed(7)
    keraunos.install_as_keras(era=request.param)
    from keras import backend as K

    yield request.param
    K.clear_session()
    keraunos.uninstall_keras()


def small_convnet(era):
    from keras.layers import Activation, Convolution2D, Dense, Flatten, MaxPooling2D
    from keras.models import Sequential

    if era == 1:
        first = Convolution2D(4, 3, 3, border_mode="same", activation="relu", name="conv1", input_shape=(8, 8, 3))
        second = Convolution2D(3, 3, 3, activation="relu", name="conv2")
    else:
        first = Convolution2D(4, (3, 3), padding="same", activation="relu", name="conv1", input_shape=(8, 8, 3))
        second = Convolution2D(3, (3, 3), activation="relu", name="conv2")
    return Sequential([first, MaxPooling2D((2, 2), name="pool"), second, Flatten(), Dense(5), Activation("softmax")])


def test_filters_are_shown_by_ascending_the_gradient_of_a_layer(era):
    from keras import backend as K

    model = small_convnet(era)
    layer_dict = {layer.name: layer for layer in model.layers}
    input_img = model.input
    loss = K.mean(layer_dict["conv2"].output[:, :, :, 1])
    grads = K.gradients(loss, input_img)[0]
    grads /= K.sqrt(K.mean(K.square(grads))) + 1e-5
    iterate = K.function([input_img], [loss, grads])
    image = np.random.random((1, 8, 8, 3)) * 20 + 128.0
    values = []
    for _ in range(4):
        loss_value, grads_value = iterate([image])
        values.append(float(loss_value))
        image += grads_value * 1.0
    assert grads_value.shape == (1, 8, 8, 3)
    assert values[-1] > values[0] > 0


def test_a_dream_sums_the_activations_of_layers(era):
    from keras import backend as K

    K.set_learning_phase(0)
    model = small_convnet(era)
    dream = model.input
    loss = K.variable(0.0)
    for name, coefficient in {"conv1": 0.5, "conv2": 1.5}.items():
        activation = model.get_layer(name).output
        scaling = K.prod(K.cast(K.shape(activation), "float32"))
        loss += coefficient * K.sum(K.square(activation[:, 1:-1, 1:-1, :])) / scaling
    grads = K.gradients(loss, dream)[0]
    grads /= K.maximum(K.mean(K.abs(grads)), 1e-7)
    fetch = K.function([dream], [loss, grads])
    x = np.random.random((1, 8, 8, 3))
    first = fetch([x])[0]
    for _ in range(3):
        x += 0.1 * fetch([x])[1]
    assert fetch([x])[0] > first
    # The sum, computed from the activations themselves.
    outputs = K.function([dream], [model.get_layer("conv1").output, model.get_layer("conv2").output])([x])
    wanted = sum(c * np.sum(o[:, 1:-1, 1:-1] ** 2) / o.size for c, o in zip((0.5, 1.5), outputs, strict=True))
    np.testing.assert_allclose(fetch([x])[0], wanted, rtol=1e-5)


def test_style_is_transferred_between_three_images_in_one_batch(era):
    from keras import backend as K
    from keras.layers import Convolution2D, Input
    from keras.models import Model

    rows = columns = 6
    base = K.variable(np.random.random((1, rows, columns, 3)))
    style = K.variable(np.random.random((1, rows, columns, 3)))
    combination = K.placeholder((1, rows, columns, 3))
    tensor = K.concatenate([base, style, combination], axis=0)
    images = Input(tensor=tensor) if era == 2 else Input(tensor=tensor, shape=(rows, columns, 3))
    features = Convolution2D(4, 3, 3, name="block1")(images) if era == 1 else Convolution2D(4, 3, name="block1")(images)
    model = Model(images, features)
    layer = model.get_layer("block1").output

    def gram(x):
        features = K.batch_flatten(K.permute_dimensions(x, (2, 0, 1)))
        return K.dot(features, K.transpose(features))

    loss = K.variable(0.0)
    loss = loss + 0.025 * K.sum(K.square(layer[2, :, :, :] - layer[0, :, :, :]))
    loss = loss + K.sum(K.square(gram(layer[1, :, :, :]) - gram(layer[2, :, :, :]))) / (4.0 * 9 * 36**2)
    a = K.square(combination[:, : rows - 1, : columns - 1, :] - combination[:, 1:, : columns - 1, :])
    loss = loss + 0.1 * K.sum(K.pow(a, 1.25))
    grads = K.gradients(loss, combination)
    outputs = K.function([combination], [loss, *grads])
    x = np.random.random((1, rows, columns, 3))
    value, slope = outputs([x])
    step = np.random.random(x.shape) * 1e-2
    central = (outputs([x + step])[0] - outputs([x - step])[0]) / 2
    np.testing.assert_allclose(np.sum(slope * step), central, rtol=2e-3)
    assert value > 0


def test_twins_share_a_network_and_learn_a_distance(era):
    from keras import backend as K
    from keras.layers import Dense, Input, Lambda
    from keras.models import Model, Sequential
    from keras.optimizers import RMSprop

    def euclidean_distance(vects):
        x, y = vects
        return K.sqrt(K.maximum(K.sum(K.square(x - y), axis=1, keepdims=True), K.epsilon()))

    def eucl_dist_output_shape(shapes):
        shape1, _ = shapes
        return (shape1[0], 1)

    def contrastive_loss(y_true, y_pred):
        return K.mean(y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(1 - y_pred, 0)))

    base = Sequential([Dense(8, input_shape=(4,), activation="relu"), Dense(3)])
    a, b = Input(shape=(4,)), Input(shape=(4,))
    distance = Lambda(euclidean_distance, output_shape=eucl_dist_output_shape)([base(a), base(b)])
    model = Model([a, b], distance)
    model.compile(loss=contrastive_loss, optimizer=RMSprop(lr=0.01))
    x = np.random.random((40, 2, 4))
    y = (np.abs(x[:, 0] - x[:, 1]).mean(1) < 0.3).astype("float32")
    epochs = {"nb_epoch": 4} if era == 1 else {"epochs": 4}
    history = model.fit([x[:, 0], x[:, 1]], y, batch_size=20, verbose=0, **epochs).history["loss"]
    assert history[-1] < history[0]
    assert model.predict([x[:, 0], x[:, 1]]).shape == (40, 1)


def encoder(era):
    from keras import backend as K
    from keras.layers import Dense, Input, Lambda

    x = Input(shape=(6,))
    hidden = Dense(5, activation="relu")(x)
    z_mean, z_log_var = Dense(2)(hidden), Dense(2)(hidden)

    def sampling(args):
        z_mean, z_log_var = args
        scale = {"std": 1.0} if era == 1 else {"stddev": 1.0}
        noise = K.random_normal(shape=(K.shape(z_mean)[0], 2), mean=0.0, **scale)
        return z_mean + K.exp(z_log_var / 2) * noise

    z = Lambda(sampling, output_shape=(2,))([z_mean, z_log_var])
    decoded = Dense(6, activation="sigmoid")(Dense(5, activation="relu")(z))
    return x, z_mean, z_log_var, decoded


def test_the_loss_of_a_variational_autoencoder_closes_over_its_means(era):
    from keras import backend as K
    from keras.models import Model

    x, z_mean, z_log_var, decoded = encoder(era)
    vae = Model(x, decoded)
    weight = K.variable(0.0)

    def vae_loss(x, decoded):
        xent = 6 * K.mean(K.square(x - decoded), axis=-1)
        kl = -0.5 * K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
        return xent + weight * kl

    vae.compile(optimizer="rmsprop", loss=vae_loss)
    data = np.random.random((16, 6)).astype("float32")
    epochs = {"nb_epoch": 3} if era == 1 else {"epochs": 3}
    history = vae.fit(data, data, shuffle=True, batch_size=8, verbose=0, validation_data=(data, data), **epochs).history
    assert np.isfinite(history["loss"]).all()
    # A Variable in the loss is obeyed when its value changes, and the divergence is that of the encoder.
    without = vae.evaluate(data, data, batch_size=16, verbose=0)
    K.set_value(weight, 1e4)
    with_it = vae.evaluate(data, data, batch_size=16, verbose=0)
    mean, log_var = K.function([x], [z_mean, z_log_var])([data])
    kl = np.mean(-0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), -1))
    np.testing.assert_allclose(with_it - without, 1e4 * kl, rtol=0.01, atol=1.0)


def test_a_model_trains_on_a_loss_that_was_added_alone(era):
    from keras import backend as K
    from keras.models import Model

    x, z_mean, z_log_var, decoded = encoder(era)
    vae = Model(x, decoded)
    reconstruction = K.mean(K.square(x - decoded), axis=-1) * 6
    kl = -0.5 * K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
    vae.add_loss(K.mean(reconstruction + kl))
    vae.compile(optimizer="adam", loss=None)
    data = np.random.random((20, 6)).astype("float32")
    history = vae.fit(data, batch_size=8, verbose=0, **({"nb_epoch": 3} if era == 1 else {"epochs": 3})).history
    assert np.isfinite(history["loss"]).all()
    assert len(vae.losses) == 1


def test_a_layer_of_its_own_adds_the_loss(era):
    from keras import backend as K
    from keras.layers import Layer
    from keras.models import Model

    class CustomVariationalLayer(Layer):
        def __init__(self, **kwargs):
            self.is_placeholder = True
            super().__init__(**kwargs)

        def call(self, inputs, mask=None):
            x, decoded = inputs
            loss = K.mean(K.sum(K.square(x - decoded), axis=-1))
            self.add_loss(loss, inputs=inputs)
            return x

        def get_output_shape_for(self, input_shape):
            return input_shape[0]

    x, _, _, decoded = encoder(era)
    model = Model(x, CustomVariationalLayer()([x, decoded]))
    model.compile(optimizer="rmsprop", loss=None)
    data = np.random.random((16, 6))
    history = model.fit(data, verbose=0, batch_size=8, **({"nb_epoch": 3} if era == 1 else {"epochs": 3})).history
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.filterwarnings("ignore:Discrepancy between trainable weights")
def test_two_networks_play_against_each_other(era):
    from keras.layers import Dense, Input
    from keras.models import Model, Sequential

    generator = Sequential([Dense(6, input_dim=3, activation="relu"), Dense(2)])
    discriminator = Sequential([Dense(6, input_dim=2, activation="relu"), Dense(1, activation="sigmoid")])
    discriminator.compile(optimizer="adam", loss="binary_crossentropy")
    noise = Input(shape=(3,))
    fake = generator(noise)
    discriminator.trainable = False
    combined = Model(noise, discriminator(fake))
    combined.compile(optimizer="adam", loss="binary_crossentropy")
    before = discriminator.get_weights(), generator.get_weights()
    for _ in range(2):
        z = np.random.normal(size=(8, 3))
        real, made = np.random.normal(size=(8, 2)) + 3, generator.predict(z, verbose=0)
        discriminator.train_on_batch(np.concatenate([real, made]), np.array([1] * 8 + [0] * 8))
        after = discriminator.get_weights()
        combined.train_on_batch(z, np.ones(8))
        assert all(np.array_equal(a, b) for a, b in zip(after, discriminator.get_weights(), strict=True))
    assert not np.array_equal(before[0][0], discriminator.get_weights()[0])
    assert not np.array_equal(before[1][0], generator.get_weights()[0])


def test_an_antirectifier_with_weights_of_its_own(era):
    from keras import backend as K
    from keras.layers import Dense, Layer
    from keras.models import Sequential

    class Antirectifier(Layer):
        def build(self, input_shape):
            self.scale = K.variable(np.ones(input_shape[-1]), name="scale")
            self.count = K.variable(0.0)
            self.trainable_weights = [self.scale]
            super().build(input_shape)

        def get_output_shape_for(self, input_shape):
            return (input_shape[0], input_shape[1] * 2)

        compute_output_shape = get_output_shape_for

        def call(self, x, mask=None):
            x -= K.mean(x, axis=1, keepdims=True)
            x = K.l2_normalize(x, axis=1) * self.scale
            self.add_update([(self.count, self.count + 1)], x)
            return K.concatenate([K.relu(x), K.relu(-x)], axis=1)

    model = Sequential([Dense(4, input_shape=(3,)), Antirectifier(), Dense(2, activation="softmax")])
    layer = model.layers[1]
    assert [w.shape for w in layer.trainable_weights] == [(4,)]
    assert len(layer.get_weights()) == 1
    assert model.output_shape == (None, 2)
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop")
    x, y = np.random.random((12, 3)), np.eye(2)[np.random.randint(0, 2, 12)]
    model.fit(x, y, batch_size=4, verbose=0, **({"nb_epoch": 2} if era == 1 else {"epochs": 2}))
    assert not np.array_equal(layer.get_weights()[0], np.ones(4))
    assert K.get_value(layer.count) == 6


def test_text_is_read_with_ctc_in_a_lambda_layer(era):
    from keras import backend as K
    from keras.layers import LSTM, Dense, Input, Lambda, TimeDistributed
    from keras.models import Model

    def ctc_lambda_func(args):
        y_pred, labels, input_length, label_length = args
        return K.ctc_batch_cost(labels, y_pred[:, 1:, :], input_length, label_length)

    data = Input(name="the_input", shape=(7, 3), dtype="float32")
    hidden = LSTM(6, return_sequences=True)(data)
    y_pred = TimeDistributed(Dense(5, activation="softmax"), name="softmax")(hidden)
    labels = Input(name="the_labels", shape=[4], dtype="float32")
    input_length = Input(name="input_length", shape=[1], dtype="int64")
    label_length = Input(name="label_length", shape=[1], dtype="int64")
    loss_out = Lambda(ctc_lambda_func, output_shape=(1,), name="ctc")([y_pred, labels, input_length, label_length])
    model = Model([data, labels, input_length, label_length], loss_out)
    model.compile(loss={"ctc": lambda y_true, y_pred: y_pred}, optimizer="adam")
    rows = 6
    inputs = {
        "the_input": np.random.random((rows, 7, 3)),
        "the_labels": np.random.randint(0, 4, (rows, 4)),
        "input_length": np.full((rows, 1), 6),
        "label_length": np.array([[2], [3], [2], [1], [3], [2]]),
    }
    outputs = {"ctc": np.zeros(rows)}
    history = [model.train_on_batch(inputs, outputs) for _ in range(4)]
    assert np.isfinite(history).all()
    assert history[-1] < history[0]
    decode = K.function([data], [y_pred])
    assert decode([inputs["the_input"]])[0].shape == (rows, 7, 5)


def test_what_was_largest_is_found_by_the_gradient_of_pooling(era):
    from keras import backend as K
    from keras.layers import Input, Lambda, MaxPooling2D
    from keras.models import Model

    def getwhere(x):
        y_prepool, y_postpool = x
        return K.gradients(K.sum(y_postpool), y_prepool)[0]

    image = Input(shape=(4, 4, 1))
    pooled = MaxPooling2D((2, 2))(image)
    where = K.gradients(K.sum(pooled), image)[0]
    x = np.random.permutation(16).reshape(1, 4, 4, 1).astype("float32")
    found = K.function([image], [where])([x])[0]
    blocks = x.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    wanted = (blocks == blocks.max(1, keepdims=True)).reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(1, 4, 4, 1)
    assert np.array_equal(found, wanted)
    model = Model(image, Lambda(getwhere, output_shape=(4, 4, 1))([image, pooled]))
    assert np.array_equal(model.predict(x, verbose=0), wanted)


def test_the_phase_is_an_input_of_a_function(era):
    from keras import backend as K
    from keras.layers import BatchNormalization, Dense, Dropout
    from keras.models import Sequential

    model = Sequential([Dense(64, input_shape=(3,)), BatchNormalization(), Dropout(0.5)])
    f = K.function([model.layers[0].input, K.learning_phase()], [model.layers[-1].output])
    x = np.random.random((6, 3)) + 5
    tested, trained = f([x, 0])[0], f([x, 1])[0]
    np.testing.assert_allclose(tested, model.predict(x, verbose=0), rtol=1e-5)
    assert 0.3 < (trained == 0).mean() < 0.7
    assert not np.array_equal(trained, f([x, 1])[0])
    K.set_learning_phase(1)
    try:
        assert (model.predict(x, verbose=0) == 0).mean() > 0.3
    finally:
        K.clear_session()
    np.testing.assert_allclose(model.predict(x, verbose=0), tested, rtol=1e-5)


def test_an_optimizer_gives_the_updates_of_a_function(era):
    from keras import backend as K
    from keras.layers import Dense
    from keras.models import Sequential
    from keras.optimizers import SGD

    model = Sequential([Dense(1, input_shape=(2,))])
    target = K.placeholder((None, 1))
    loss = K.mean(K.square(model.output - target))
    optimizer = SGD(lr=0.1)
    params = model.trainable_weights
    updates = optimizer.get_updates(params, {}, loss) if era == 1 else optimizer.get_updates(loss=loss, params=params)
    train = K.function([model.input, target], [loss], updates=updates)
    x, y = np.random.random((10, 2)), np.random.random((10, 1))
    kernel = model.get_weights()[0]
    error = x @ kernel - y
    values = [float(train([x, y])[0]) for _ in range(5)]
    assert values[-1] < values[0]
    np.testing.assert_allclose(values[0], np.mean(error**2), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(optimizer.iterations), 5)
