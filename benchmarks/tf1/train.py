"""Trains canned Estimators on Adult with TensorFlow 1.15, as an old code base would.

Runs under Python 3.7 (see tests/fixtures/make_tf1.py for its environment):

    python3.7 benchmarks/tf1/train.py ../shared/data/adult OUTPUT

Writes OUTPUT/<model>/model.ckpt and OUTPUT/<model>/export, and OUTPUT/oracle.json: what TensorFlow
1.15 predicts for all test rows, and each row's bucket in each categorical column.
"""

import csv
import glob
import gzip
import io
import json
import os
import shutil
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from tensorflow.python.feature_column import feature_column_v2 as fc

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)

NUMBERS = ["age", "education-num", "capital-gain", "hours-per-week"]
TEXTS = [
    "workclass",
    "education",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native-country",
]
LISTED = ["workclass", "marital-status", "relationship", "sex"]
MARITAL = ["Married-civ-spouse", "Never-married", "Divorced", "Separated", "Widowed"]
RELATIONSHIP = ["Husband", "Not-in-family", "Own-child", "Unmarried", "Wife", "Other-relative"]
WORKCLASS = ["Private", "Self-emp-not-inc", "Local-gov", "State-gov", "Self-emp-inc"]
AGES = [18.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0, 65.0]


def read(path):
    """Returns the table's columns and labels; a missing text is ""."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as binary, io.TextIOWrapper(binary, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    features = {name: np.array([row[name] for row in rows], np.float32) for name in NUMBERS}
    for name in TEXTS:
        features[name] = np.array([row[name].strip().replace("?", "") for row in rows], object)
    return features, np.array([">50K" in row["income"] for row in rows], np.int64)


def scaled(name, center, scale):
    return tf.feature_column.numeric_column(name, normalizer_fn=lambda x: (x - center) * scale)


def columns():
    """Returns numeric columns, and categorical columns with the dimension of their embedding."""
    listed = tf.feature_column.categorical_column_with_vocabulary_list
    hashed = tf.feature_column.categorical_column_with_hash_bucket
    crossed = tf.feature_column.crossed_column
    age_bucket = tf.feature_column.bucketized_column(tf.feature_column.numeric_column("age"), AGES)
    numbers = [
        scaled("age", 38.5, 0.0625),
        scaled("education-num", 10.0, 0.375),
        scaled("capital-gain", 0.0, 0.00001),
        scaled("hours-per-week", 40.0, 0.0625),
    ]
    categorical = {
        "age_bucket": (age_bucket, 0),
        "workclass": (listed("workclass", WORKCLASS), 0),
        "marital-status": (listed("marital-status", MARITAL), 0),
        "relationship": (listed("relationship", RELATIONSHIP), 0),
        "sex": (listed("sex", ["Male", "Female"]), 0),
        "occupation": (hashed("occupation", 100), 8),
        "native-country": (hashed("native-country", 50), 8),
        "education_x_occupation": (crossed(["education", "occupation"], 500), 8),
        "age_x_education": (crossed([age_bucket, "education"], 200), 4),
    }
    return numbers, categorical


def input_fn(features, labels, epochs):
    return tf.compat.v1.estimator.inputs.numpy_input_fn(
        features, labels, batch_size=256, num_epochs=epochs, shuffle=epochs is None
    )


def bucket_ids(features, categorical):
    """Returns each row's bucket in each column, -1 if the column gives none."""
    found = {}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tensors = {name: tf.constant(x.reshape(-1, 1).tolist()) for name, x in features.items()}
        cache = fc.FeatureTransformationCache(tensors)
        sparse = {
            name: column.get_sparse_tensors(cache, None).id_tensor
            for name, (column, _) in categorical.items()
        }
        session.run(tf.compat.v1.tables_initializer())
        for name, value in session.run(sparse).items():
            ids = np.full(len(features["age"]), -1)
            ids[value.indices[:, 0]] = value.values
            found[name] = ids.tolist()
    return found


def main():
    data, output = sys.argv[1:]
    train, labels = read(os.path.join(data, "train.csv.gz"))
    test, test_labels = read(os.path.join(data, "test.csv"))
    numbers, categorical = columns()
    wide = [column for column, _ in categorical.values()]
    indicators = [tf.feature_column.indicator_column(categorical[name][0]) for name in LISTED]
    embeddings = [
        tf.feature_column.embedding_column(column, dimension)
        for column, dimension in categorical.values()
        if dimension
    ]
    deep = [*numbers, categorical["age_bucket"][0], *indicators, *embeddings]
    oracle = {"ids": bucket_ids(test, categorical), "label": test_labels.tolist(), "logits": {}}
    with tempfile.TemporaryDirectory() as work:

        def where(name):
            return {
                "model_dir": os.path.join(work, name),
                "config": tf.estimator.RunConfig(tf_random_seed=7, keep_checkpoint_max=1),
            }

        estimators = {
            "linear": tf.estimator.LinearClassifier(numbers + wide, **where("linear")),
            "dnn": tf.estimator.DNNClassifier([64, 32], deep, **where("dnn")),
            "wide_deep": tf.estimator.DNNLinearCombinedClassifier(
                linear_feature_columns=wide,
                dnn_feature_columns=deep,
                dnn_hidden_units=[64, 32],
                **where("wide_deep"),
            ),
            "boosted_trees": tf.estimator.BoostedTreesClassifier(
                [*numbers[1:], categorical["age_bucket"][0], *indicators],
                n_batches_per_layer=10,
                n_trees=30,
                max_depth=4,
                l2_regularization=0.01,
                **where("boosted_trees"),
            ),
        }
        spec = fc.make_parse_example_spec_v2(wide + deep)
        for name, estimator in estimators.items():
            estimator.train(input_fn(train, labels, None), steps=1500)
            said = estimator.predict(input_fn(test, test_labels, 1))
            oracle["logits"][name] = [float(row["logits"][0]) for row in said]
            os.makedirs(os.path.join(output, name))
            checkpoint = estimator.latest_checkpoint()
            for path in glob.glob(checkpoint + ".*"):
                target = "model.ckpt" + path[len(checkpoint) :]
                shutil.copy(path, os.path.join(output, name, target))
            if name == "boosted_trees":
                continue  # TensorFlow 2 cannot run its export.
            # Fed dense tensors, as in training: a parsed tf.Example orders a cross differently.
            receiver = tf.estimator.export.build_raw_serving_input_receiver_fn(
                {
                    key: tf.compat.v1.placeholder(
                        tf.float32 if key in NUMBERS else tf.string, [None, 1], key
                    )
                    for key in spec
                }
            )
            exported = estimator.export_saved_model(os.path.join(work, "export"), receiver)
            shutil.move(exported.decode(), os.path.join(output, name, "export"))
    with open(os.path.join(output, "oracle.json"), "w") as file:
        json.dump(oracle, file)


if __name__ == "__main__":
    main()
