"""The five posts, word for word: every code block out of the post's own text, with the results that the posts show."""

import os
import re
import shutil
import statistics
import subprocess
import sys

import pytest

POSTS = {
    "000": "posts/000_6d56304045e4cceb.txt",
    "001": "posts/001_5572dccca8a21824.txt",
    "002": "posts/002_f9412362b9aa0884.txt",
    "003": "posts/003_fb56c0d375655452.txt",
    "004": "posts/004_2591c646e9f18d21.txt",
}

pytest.importorskip("seaborn", reason="the posts draw with seaborn: pip install 'keraunos[scripts]'")
pytest.importorskip("sklearn", reason="the posts read data with scikit-learn: pip install 'keraunos[scripts]'")


@pytest.fixture
def run(shared, tmp_path):
    """``run("000", "--seed", "1")``: a post in an empty folder, with the data sets where their own tools look for them."""

    def call(post, *options, code=0):
        shared(POSTS.get(post, "posts"))
        home = tmp_path / "home"
        (home / "datasets").mkdir(parents=True, exist_ok=True)
        if not (home / "datasets" / "mnist.npz").exists():
            (home / "datasets" / "mnist.npz").symlink_to(shared("data/mnist.npz"))
        # Small pictures without labelled ticks draw fast; which pictures, and what they show, stays the post's.
        (tmp_path / "matplotlibrc").write_text(
            "savefig.dpi: 20\nfigure.dpi: 20\n"
            "xtick.bottom: False\nxtick.labelbottom: False\nytick.left: False\nytick.labelleft: False\n"
        )
        environment = {
            **os.environ,
            "XLA_FLAGS": "",
            "KERAS_HOME": str(home),
            "SCIKIT_LEARN_DATA": str(shared("data/sklearn_data")),
            "MATPLOTLIBRC": str(tmp_path),
            # Nothing is downloaded in a test.
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
        }
        script = shared(POSTS[post]) if post in POSTS else post
        command = [sys.executable, "-m", "keraunos", "run", *options, str(script)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == code, done.stderr[-3000:]
        return done

    return call


def numbers(pattern, text):
    """Every number that a pattern's group matches."""
    return [float(found) for found in re.findall(pattern, text)]


def test_post_000_tells_the_quadrants_apart(run, tmp_path):
    accuracies = []
    for seed in range(5):
        done = run("000", "--seed", str(seed), "--figures", str(tmp_path / f"figures {seed}"))
        accuracies += numbers(r"Accuracy: ([\d.]+)%", done.stdout)
    assert len(accuracies) == 5
    assert statistics.median(accuracies) >= 90
    assert "Keras 1" in done.stderr
    assert "DataFrame.ix" in done.stderr
    assert "(800, 200)" in done.stdout
    assert re.search(r"^CPU times: .*\nWall time: ", done.stdout, re.MULTILINE)
    assert len(list((tmp_path / "figures 0").glob("*.png"))) == 2


def test_post_001_learns_the_cover_of_forests(run, shared, tmp_path):
    # The one thing that a test changes in a post: 4 epochs in place of 20 (validation 76.9 % after all of them).
    text = shared(POSTS["001"]).read_text(encoding="utf-8")
    assert text.count("nb_epoch=20") == 1
    (tmp_path / "post.txt").write_text(text.replace("nb_epoch=20", "nb_epoch=4"), encoding="utf-8")
    done = run(tmp_path / "post.txt", "--seed", "1")
    assert "Keras 1" in done.stderr
    assert "x_train" in done.stderr  # the first example trains on data that the post never has
    epochs = re.findall(
        r"371847/371847 \[=+\] - \d+s - loss: ([\d.]+) - acc: ([\d.]+) - val_loss: ([\d.]+) - val_acc: ([\d.]+)",
        done.stdout,
    )
    assert len(epochs) == 4
    assert "Train on 371847 samples, validate on 92962 samples" in done.stdout
    assert float(epochs[-1][3]) >= 0.68
    # The labels count from 1 and the predicted classes from 0, so the post's own score is near 0.
    assert numbers(r"(?m)^(0\.\d+)$", done.stdout)[-1] < 0.15


def test_post_002_classifies_digits(run, shared, tmp_path):
    (tmp_path / "MNIST_data").symlink_to(shared("data/mnist_idx"))
    done = run("002")
    assert "Keras 2" in done.stderr
    for line in ("60000 Number of training samples", "x_train shape: (60000, 784)", "[0. 0. 1. 0. 0. 0. 0. 0. 0. 0.]"):
        assert line in done.stdout
    table = (
        "_________________________________________________________________\n"
        "Layer (type)                 Output Shape              Param #   \n"
        "=================================================================\n"
        "D1 (Dense)                   (None, 10)                7850      \n"
        "_________________________________________________________________\n"
        "Output (Activation)          (None, 10)                0         \n"
        "=================================================================\n"
        "Total params: 7,850\nTrainable params: 7,850\nNon-trainable params: 0\n"
    )
    assert table in done.stdout
    assert re.search(r"60000/60000 \[={30}\] - \d+s \d+us/step - loss: 0\.\d{4} - acc: 0\.\d{4}\n", done.stdout)
    assert "Train on 54000 samples, validate on 6000 samples" in done.stdout
    assert numbers(r"Test Accuracy: ([\d.]+)", done.stdout)[0] >= 0.92
    assert numbers(r"val_acc: ([\d.]+)", done.stdout)[-1] >= 0.935
    assert (tmp_path / "Keras_results" / "FC1_weights.h5").is_file()


def test_post_003_separates_the_moons(run, tmp_path):
    done = run("003")
    assert "Keras 3" in done.stderr
    accuracies = numbers(r"Test accuracy: ([\d.]+)", done.stdout)
    assert accuracies[0] >= 0.95
    # The post takes the argmax over one column, so its last score is that of always saying 0.
    assert accuracies[1] == pytest.approx(0.54)
    assert len(list((tmp_path / "plots_keras").glob("keras_model_*.png"))) == 200
    assert len(list((tmp_path / "plots_keras").glob("loss_acc_*.png"))) == 200


def test_post_004_classifies_flowers_and_digits_and_says_that_notmnist_large_is_not_here(run):
    done = run("004", "--seed", "1", code=1)
    flowers = numbers(r"Accuracy is ([\d.]+)", done.stdout)
    assert len(flowers) == 4
    assert statistics.median(flowers) >= 0.8
    assert numbers(r"Test accuracy: ([\d.]+)", done.stdout) == [pytest.approx(0.96, abs=0.01)]
    assert "Train on 60000 samples, validate on 10000 samples" in done.stdout
    assert "Attempting to download: notMNIST_large.tar.gz" in done.stdout
    assert "urlopen error" in done.stderr
    assert "excerpt" in done.stderr


def test_the_last_program_of_post_004_classifies_the_small_notmnist(run, shared, tmp_path):
    text = shared(POSTS["004"]).read_text(encoding="utf-8")
    program = text[text.rindex("```py") : text.rindex("```")].removeprefix("```py")
    archive = shared("data/notMNIST_small.tar.gz")
    # The large archive is not here: the same program on the small one, with sizes that fit it (ours is packed anew).
    for old, new in (
        ("'notMNIST_large.tar.gz', 247336696", f"'notMNIST_small.tar.gz', {archive.stat().st_size}"),
        ("'notMNIST_small.tar.gz', 8458043", f"'notMNIST_small.tar.gz', {archive.stat().st_size}"),
        ("maybe_pickle(train_folders, 45000)", "maybe_pickle(train_folders, 1800)"),
        ("train_size = 200000", "train_size = 15000"),
        ("valid_size = 10000", "valid_size = 1500"),
        ("test_size = 10000", "test_size = 2000"),
    ):
        assert program.count(old) == 1
        program = program.replace(old, new)
    script = tmp_path / "notmnist.md"
    script.write_text(f"```python\n{program}```\n")
    shutil.copy(archive, tmp_path)
    done = run(script)
    assert "Training: (15000, 28, 28)" in done.stdout
    # With one archive the test letters are among those of the training; those of the validation are not.
    assert numbers(r"val_acc: ([\d.]+)", done.stdout)[-1] >= 0.88
