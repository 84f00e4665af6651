"""A table: flowers told apart by four measurements, with early stopping and a table of what was taken for what."""

import numpy as np

import keraunos
from keraunos import callbacks, layers

keraunos.utils.set_random_seed(7)
(x_train, y_train), (x_test, y_test) = keraunos.datasets.iris.load_data()
names = keraunos.datasets.iris.get_label_names()

# Columns of about the same size learn best: subtract the mean of the training rows, divide by their spread.
mean, spread = x_train.mean(axis=0), x_train.std(axis=0)
x_train, x_test = (x_train - mean) / spread, (x_test - mean) / spread

model = keraunos.Sequential(
    [
        layers.Input((4,)),
        layers.Dense(16, activation="relu"),
        layers.Dropout(0.1),
        layers.Dense(len(names), activation="softmax"),
    ]
)
model.compile(optimizer=keraunos.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()

stop = callbacks.EarlyStopping(monitor="val_loss", patience=20, restore_best_weights=True)
history = model.fit(x_train, y_train, batch_size=16, epochs=200, validation_split=0.2, callbacks=[stop], verbose=0)
print(f"trained {len(history.epoch)} epochs; the best was number {int(np.argmin(history.history['val_loss'])) + 1}")

predicted = model.predict(x_test, verbose=0).argmax(axis=-1)
print(f"\n{'is, taken for':<16}" + "".join(f"{name:>12}" for name in names))
for number, name in enumerate(names):
    counts = [int(np.sum((y_test == number) & (predicted == other))) for other in range(len(names))]
    print(f"{name:<16}" + "".join(f"{count:>12}" for count in counts))
print(f"\naccuracy on new flowers: {np.mean(predicted == y_test):.3f}")
