"""Images: a convolutional network on handwritten digits, kept at its best, saved and loaded again."""

import tempfile
from pathlib import Path

import keraunos
from keraunos import callbacks, layers

keraunos.utils.set_random_seed(1)
(x_train, y_train), (x_test, y_test) = keraunos.datasets.digits.load_data()
x_train, x_test = x_train.reshape(-1, 8, 8, 1) / 16.0, x_test.reshape(-1, 8, 8, 1) / 16.0

model = keraunos.Sequential(
    [
        layers.Input((8, 8, 1)),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.25),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

with tempfile.TemporaryDirectory() as folder:
    best = Path(folder) / "best.keras"
    keep = callbacks.ModelCheckpoint(best, monitor="val_accuracy", save_best_only=True)
    slower = callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3)
    model.fit(x_train, y_train, batch_size=32, epochs=12, validation_split=0.15, callbacks=[keep, slower], verbose=2)
    again = keraunos.models.load_model(best)

loss, accuracy = again.evaluate(x_test, y_test, verbose=0)
print(f"accuracy on new digits: {accuracy:.3f}")
