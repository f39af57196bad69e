"""The random-forest experiment: train three forests, then answer batch requests with them.

    random_forest.py train MODELS     fits the forests and writes them to the folder MODELS
    random_forest.py infer MODELS     reads them and classifies rows in batches

Run under ``wattledger-collect exec``, which measures it. What the program itself knows (accuracy, rows, phase) it
appends as JSON lines to the file named in WATTLEDGER_REPORT; without that variable it just runs.

The forests travel from training to inference as plain arrays (.npz), without pickle: a pickle can run any code when it
is read. Reading them back is the `deployment` phase of the inference job, its requests are the `inference` phase. The
same seeds give the same data, the same forests and the same accuracy in both.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

SEED = 7
FEATURES, CLASSES = 20, 4
HELD_OUT_ROWS = 10_000
BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Size:
    """One size of the experiment.

    Attributes:
        name: name of the forest and of its file.
        trees: trees of the forest.
        rows: rows to train on.
        leaf_rows: fewest rows of a leaf; keeps the file of the largest forest small.
        requests: requests to answer, each a batch of BATCH_ROWS rows.
    """

    name: str
    trees: int
    rows: int
    leaf_rows: int
    requests: int


SIZES = (Size("small", 10, 1_000, 1, 100), Size("main", 100, 10_000, 1, 100), Size("large", 200, 60_000, 20, 50))
QUICK = (Size("small", 10, 1_000, 1, 20), Size("main", 100, 10_000, 1, 20))
REPORTED = "main"
PROCESSORS = -1  # all processors


def report(**values: object) -> None:
    """Tell the collector something about this job.

    Args:
        **values: fields of one line of the report; see docs/collectors.
    """
    path = os.environ.get("WATTLEDGER_REPORT")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")


def data(sizes: tuple[Size, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return features and classes: rows to train on, then HELD_OUT_ROWS rows that no forest has seen."""
    rows = max(size.rows for size in sizes) + HELD_OUT_ROWS
    return make_classification(
        n_samples=rows, n_features=FEATURES, n_informative=12, n_classes=CLASSES, flip_y=0.02, random_state=SEED
    )


def train(folder: Path, sizes: tuple[Size, ...]) -> None:
    """Fit one forest a size, say how good it is, write it to a folder."""
    features, classes = data(sizes)
    folder.mkdir(parents=True, exist_ok=True)
    for number, size in enumerate(sizes, start=1):
        began = time.perf_counter()
        forest = RandomForestClassifier(
            size.trees, min_samples_leaf=size.leaf_rows, random_state=SEED, n_jobs=PROCESSORS
        )
        forest.fit(features[: size.rows], classes[: size.rows])
        accuracy = float(forest.score(features[-HELD_OUT_ROWS:], classes[-HELD_OUT_ROWS:]))
        save(forest, folder / f"{size.name}.npz")
        if size.name == REPORTED:
            parameters = sum(tree.tree_.node_count for tree in forest.estimators_)
            report(quality_metric="accuracy", quality_value=accuracy, parameters_n=parameters)
        report(other_unit="row", other_n=size.rows)
        tell(number, sizes, f"{size.trees} trees on {size.rows:,} rows", accuracy, began)


def infer(folder: Path, sizes: tuple[Size, ...]) -> None:
    """Classify batches of held-out rows with each forest, and say how many and how well."""
    report(phase="deployment", ts_ms=time.time_ns() // 1_000_000)
    features, classes = data(sizes)
    requests, truth = features[-HELD_OUT_ROWS:], classes[-HELD_OUT_ROWS:]
    forests = {size.name: load(folder / f"{size.name}.npz") for size in sizes}
    report(phase="inference", ts_ms=time.time_ns() // 1_000_000)
    for number, size in enumerate(sizes, start=1):
        began = time.perf_counter()
        right = 0
        for request in range(size.requests):
            # Every request has the held-out rows in another order.
            rows = np.random.default_rng(request).permutation(HELD_OUT_ROWS)[:BATCH_ROWS]
            right += int((forests[size.name].predict(requests[rows]) == truth[rows]).sum())
            report(requests_n=1, other_unit="row", other_n=BATCH_ROWS)
        accuracy = right / (size.requests * BATCH_ROWS)
        if size.name == REPORTED:
            report(quality_metric="accuracy", quality_value=accuracy)
        tell(number, sizes, f"{size.trees} trees, {size.requests} requests of {BATCH_ROWS:,} rows", accuracy, began)


def tell(number: int, sizes: tuple[Size, ...], what: str, accuracy: float, began: float) -> None:
    """Print one line of progress, in a form that ``wattledger first-run`` turns into a bar."""
    took = time.perf_counter() - began
    print(f"[{number}/{len(sizes)}] {what}: accuracy {accuracy:.4f}, {took:.1f} s", flush=True)


def save(forest: RandomForestClassifier, path: Path) -> None:
    """Write a fitted forest as plain arrays."""
    trees = [tree.tree_ for tree in forest.estimators_]
    states = [tree.__getstate__() for tree in trees]
    np.savez(
        path,
        classes=forest.classes_,
        features=forest.n_features_in_,
        counts=[tree.node_count for tree in trees],
        depths=[tree.max_depth for tree in trees],
        nodes=np.concatenate([state["nodes"] for state in states]),
        values=np.concatenate([state["values"] for state in states]),
    )


def load(path: Path) -> RandomForestClassifier:
    """Read a forest that ``save`` wrote; it predicts exactly as the fitted one does."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    classes, features = arrays["classes"], int(arrays["features"])
    forest = RandomForestClassifier(len(arrays["counts"]), n_jobs=PROCESSORS)
    forest.classes_, forest.n_classes_ = classes, len(classes)
    forest.n_outputs_, forest.n_features_in_ = 1, features
    forest.estimators_ = []
    edges = np.concatenate([[0], np.cumsum(arrays["counts"])])
    for number, (start, end) in enumerate(pairwise(edges)):
        tree = DecisionTreeClassifier()
        tree.classes_, tree.n_classes_ = np.arange(len(classes)), np.int64(len(classes))
        tree.n_outputs_, tree.n_features_in_ = 1, features
        tree.tree_ = Tree(features, np.array([len(classes)], dtype=np.intp), 1)
        state = {"max_depth": int(arrays["depths"][number]), "node_count": int(end - start)}
        tree.tree_.__setstate__({**state, "nodes": arrays["nodes"][start:end], "values": arrays["values"][start:end]})
        forest.estimators_.append(tree)
    return forest


def main() -> int:
    """Run one of the two jobs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("train", "infer"))
    parser.add_argument("models", type=Path, help="folder of the forests")
    parser.add_argument("--quick", action="store_true", help="two small sizes only")
    arguments = parser.parse_args()
    try:
        (train if arguments.job == "train" else infer)(arguments.models, QUICK if arguments.quick else SIZES)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
