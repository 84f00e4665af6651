"""A program as one wrote it for Keras 1 in 2017: is a point in the first or third quadrant?

Run it with ``python -m keraunos run examples/post_2017.py``.
"""

import numpy as np
from keras.layers import Activation, Dense
from keras.models import Sequential
from keras.utils import np_utils

X = np.random.uniform(-1, 1, (2000, 2))
y = (X[:, 0] * X[:, 1] > 0).astype("int32")
X_train, X_test, y_train, y_test = X[:1600], X[1600:], y[:1600], y[1600:]

model = Sequential()
model.add(Dense(output_dim=16, init="glorot_normal", input_dim=2))
model.add(Activation("relu"))
model.add(Dense(output_dim=2))
model.add(Activation("softmax"))
model.summary()

model.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
history = model.fit(X_train, np_utils.to_categorical(y_train, 2), nb_epoch=20, verbose=2, validation_split=0.1)

print("best epoch:", int(np.argmax(history.history["val_acc"])) + 1)
right = model.predict_classes(X_test, verbose=0) == y_test
print(f"accuracy on new points: {right.mean():.3f}")
