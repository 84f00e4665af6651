"""Texts as numbers: words counted, numbered by how frequent they are, hashed, and laid out as matrices."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import md5
from typing import Any

import numpy as np

from keraunos.utils.errors import ArgumentError, UsageError
from keraunos.utils.modules import offer
from keraunos.utils.spelling import adopting, spelled
from keraunos.utils.text import suggestion

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]
offer(__name__)

PUNCTUATION = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "tfidf", "freq")


@spelled
def text_to_word_sequence(text: str, filters: str = PUNCTUATION, lower: bool = True, split: str = " ") -> list[str]:
    """Words of a text.

    Args:
        text: The text.
        filters: Characters that count as ``split``: all punctuation but the apostrophe, tabs and line ends.
        lower: Whether to write everything small.
        split: What stands between two words, one character or several.

    >>> text_to_word_sequence("It's here, now!")
    ["it's", 'here', 'now']
    """
    text = text.lower() if lower else text
    return [word for word in text.translate({ord(sign): split for sign in filters}).split(split) if word]


@spelled
def one_hot(
    text: str,
    n: int | None = None,
    filters: str = PUNCTUATION,
    lower: bool = True,
    split: str = " ",
    *,
    absolute: bool = False,
) -> list[int]:
    """Numbers of a text's words, ``hash(word) % (n - 1) + 1``.

    Python's ``hash`` differs from one run to the next unless ``PYTHONHASHSEED``
    is set; ``hashing_trick(text, n, "md5")`` does not.

    Args:
        text: The text.
        n: How many numbers there are, 2 or more; 0 is never given.
        filters, lower, split: As for ``text_to_word_sequence``.
        absolute: Whether the sign of the hash is dropped first, as Keras 1.2.2 does.

    >>> len(one_hot("two words", 10))
    2
    """
    function = (lambda word: abs(hash(word))) if absolute else hash
    return hashing_trick(text, n, function, filters, lower, split)


@spelled
def hashing_trick(
    text: str,
    n: int | None = None,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = PUNCTUATION,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """Numbers of a text's words, ``hash_function(word) % (n - 1) + 1``; two words may get the same.

    Args:
        text: The text.
        n: How many numbers there are, 2 or more; 0 is never given.
        hash_function: From a word to a whole number; ``"md5"`` is the same in every run; Python's ``hash`` if not given.
        filters, lower, split: As for ``text_to_word_sequence``.

    >>> hashing_trick("The cat sat on the mat.", 11, "md5")
    [10, 3, 3, 7, 10, 9]
    """
    if n is None or n < 2:
        raise ArgumentError(f"hashing_trick: n is {n!r}; expected a whole number of at least 2, since 0 is kept free.")
    if isinstance(hash_function, str) and hash_function != "md5":
        raise ArgumentError(f"hashing_trick: hash_function is {hash_function!r}; expected a function, 'md5' or None.")
    function = _md5 if hash_function == "md5" else hash_function or hash
    words = text_to_word_sequence(text, filters, lower, split)
    return [function(word) % (n - 1) + 1 for word in words]  # type: ignore[operator]


def _md5(word: str) -> int:
    return int(md5(word.encode()).hexdigest(), 16)


@adopting
class Tokenizer:
    """Numbers the words of texts, the most frequent first, from 1; 0 stands for no word.

    Args:
        num_words: Numbers below this are kept, so the ``num_words - 1`` most frequent words; all if ``None``.
        filters, lower, split: As for ``text_to_word_sequence``.
        char_level: Whether every character is a word.
        oov_token: Word that stands for those never met, number 1; they are left out if ``None``.
        analyzer: From a text to its words, in place of ``text_to_word_sequence``.
        document_count: Texts counted so far.
        afresh: Whether every call of a ``fit`` method counts its texts from 0, and characters
            keep their case, as in Keras 1.2.2.

    Attributes:
        word_counts: How often each word was met, in the order of the first meeting.
        word_docs: In how many texts each word stands.
        word_index: Number of each word.
        index_word: Word of each number.
        index_docs: In how many texts each number stands.

    >>> tokenizer = Tokenizer()
    >>> tokenizer.fit_on_texts(["the cat", "the dog"])
    >>> tokenizer.texts_to_sequences(["the dog and the cat"])
    [[1, 3, 1, 2]]
    """

    @spelled
    def __init__(
        self,
        num_words: int | None = None,
        filters: str = PUNCTUATION,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], Sequence[str]] | None = None,
        *,
        document_count: int = 0,
        afresh: bool = False,
    ) -> None:
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.analyzer = analyzer
        self.document_count = document_count
        self.word_counts: dict[str, int] = {}
        self.word_docs: dict[str, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}
        self.index_docs: dict[int, int] = defaultdict(int)
        self._afresh = afresh

    def fit_on_texts(self, texts: Iterable[str | Sequence[str]]) -> None:
        """Count the words of texts and number them.

        Args:
            texts: Texts, or lists of words; a generator will do.
        """
        if self._afresh:
            self.document_count = 0
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in dict.fromkeys(words):
                self.word_docs[word] += 1
        ranked = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        vocabulary = ranked if self.oov_token is None else [self.oov_token, *ranked]
        self.word_index = {word: number for number, word in enumerate(vocabulary, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        self.index_docs = defaultdict(int, {self.word_index[word]: n for word, n in self.word_docs.items()})

    def fit_on_sequences(self, sequences: Sequence[Sequence[int]]) -> None:
        """Count in how many sequences each number stands; enough for ``sequences_to_matrix``."""
        if self._afresh:
            self.document_count, self.index_docs = 0, defaultdict(int)
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[str | Sequence[str]]) -> list[list[int]]:
        """Numbers of the words of each text; words without a number give that of ``oov_token``, or nothing."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | Sequence[str]]) -> Iterator[list[int]]:
        """As ``texts_to_sequences``, one at a time."""
        unknown = self._unknown()
        for text in texts:
            numbers = (self.word_index.get(word) for word in self._words(text))
            known = (number if self._keeps(number) else unknown for number in numbers)
            yield [number for number in known if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Texts of words, with one blank between two, from their numbers."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """As ``sequences_to_texts``, one at a time."""
        unknown = None if self._unknown() is None else self.oov_token
        for sequence in sequences:
            words = (self.index_word.get(number) if self._keeps(number) else None for number in sequence)
            yield " ".join(filter(None, (unknown if word is None else word for word in words)))

    def texts_to_matrix(self, texts: Iterable[str | Sequence[str]], mode: str = "binary") -> np.ndarray:
        """A row for each text: see ``sequences_to_matrix``."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> np.ndarray:
        """A row for each sequence, a column for each number.

        Output shape: ``(len(sequences), num_words)``, float64

        Args:
            sequences: Numbers of words.
            mode: ``"binary"``: 1 where the number stands in the sequence; ``"count"``: how often, c; ``"freq"``:
                c / length; ``"tfidf"``: (1 + log c) · log(1 + documents / (1 + documents with the number)).

        Raises:
            UsageError: How many columns, or how many documents there are is unknown.
            ArgumentError: There is no such mode.
        """
        width = self.num_words or (len(self.word_index) + 1 if self.word_index else 0)
        if not width:
            raise UsageError("Tokenizer: how many words there are is unknown. Give num_words, or call fit_on_texts.")
        if mode not in _MODES:
            raise ArgumentError(f"Tokenizer: mode is {mode!r}.{suggestion(mode, _MODES)}")
        if mode == "tfidf" and not self.document_count:
            raise UsageError("Tokenizer: mode 'tfidf' needs the number of documents. Call fit_on_texts before.")
        matrix = np.zeros((len(sequences), width))
        for row, sequence in zip(matrix, sequences, strict=True):
            for number, count in Counter(sequence).items():
                if number < width:
                    row[number] = self._weight(mode, number, count, len(sequence))
        return matrix

    def get_config(self) -> dict[str, Any]:
        """Arguments, and the counts as JSON texts."""
        if self.analyzer is not None:
            raise UsageError("Tokenizer: a function, analyzer, cannot be written as text. Use filters and split.")
        counts = {name: json.dumps(getattr(self, name)) for name in _COUNTS}
        names = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
        return {**{name: getattr(self, name) for name in names}, **counts}

    def to_json(self, **kwargs: Any) -> str:
        """Arguments and counts as a JSON text, which ``tokenizer_from_json`` reads; ``kwargs`` are for ``json.dumps``."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)

    def _words(self, text: Any) -> Sequence[str]:
        if isinstance(text, (list, tuple)):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return text.lower() if self.lower and not self._afresh else text
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def _keeps(self, number: int | None) -> bool:
        return number is not None and not (self.num_words and number >= self.num_words)

    def _unknown(self) -> int | None:
        return None if self.oov_token is None else self.word_index.get(self.oov_token)

    def _weight(self, mode: str, number: int, count: int, length: int) -> float:
        if mode == "count":
            return count
        if mode == "freq":
            return count / length
        if mode == "binary":
            return 1
        return (1 + np.log(count)) * np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))


_COUNTS = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """``Tokenizer`` that ``Tokenizer.to_json`` wrote.

    Raises:
        ArgumentError: The text is not of this form.

    >>> tokenizer = Tokenizer(num_words=5)
    >>> tokenizer.fit_on_texts(["a b a"])
    >>> tokenizer_from_json(tokenizer.to_json()).word_index
    {'a': 1, 'b': 2}
    """
    try:
        config = dict(json.loads(json_string)["config"])
        counts = {name: json.loads(config.pop(name)) for name in _COUNTS}
        for name in ("index_docs", "index_word"):
            counts[name] = {int(number): value for number, value in counts[name].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArgumentError(f"tokenizer_from_json: this is no text of Tokenizer.to_json ({error!r}).") from None
    tokenizer = Tokenizer(**config)
    for name, value in counts.items():
        setattr(tokenizer, name, defaultdict(int, value) if name.endswith("docs") else value)
    return tokenizer
