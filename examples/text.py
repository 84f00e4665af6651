"""Text: words become numbers, numbers vectors, and a recurrent network tells praise from blame, "not" included."""

import random

import numpy as np

import keraunos
from keraunos import layers
from keraunos.preprocessing.sequence import pad_sequences
from keraunos.preprocessing.text import Tokenizer

keraunos.utils.set_random_seed(3)
GOOD, BAD = ("good", "lovely", "clever", "moving"), ("dull", "weak", "clumsy", "endless")
THINGS = ("film", "book", "song", "play", "plot", "actor")


def sentence() -> tuple[str, int]:
    """A sentence, and 1 for praise or 0 for blame; "not" turns it round."""
    praise, turned = random.random() < 0.5, random.random() < 0.4
    words = ["the", random.choice(THINGS), random.choice(("is", "was")), *["not"] * turned]
    words += [*["very"] * (random.random() < 0.3), random.choice(GOOD if praise else BAD)]
    return " ".join(words), int(praise != turned)


texts, labels = zip(*(sentence() for _ in range(1200)), strict=True)
words = Tokenizer(num_words=100)
words.fit_on_texts(texts)
x, y = pad_sequences(words.texts_to_sequences(texts), maxlen=8), np.array(labels)

model = keraunos.Sequential(
    [
        layers.Input((8,), dtype="int32"),
        layers.Embedding(input_dim=100, output_dim=8, mask_zero=True),
        layers.GRU(16),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer=keraunos.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x[:1000], y[:1000], batch_size=50, epochs=6, validation_split=0.1, verbose=2)

for text in ("the film was not good", "the song is not very dull", "the plot is clumsy"):
    row = pad_sequences(words.texts_to_sequences([text]), maxlen=8)
    print(f"{text:<28} praise: {model.predict(row, verbose=0)[0, 0]:.2f}")
print(f"accuracy on new sentences: {model.evaluate(x[1000:], y[1000:], verbose=0)[1]:.3f}")
