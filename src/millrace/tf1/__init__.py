"""Models of TensorFlow 1 and Keras 2: run as they are, and adopted.

`sources` opens an old model in a tf.compat.v1 session, `feeds` gives it raw rows, `predictor` makes
it one more model of a job. `variables` reads a canned Estimator's checkpoint by name, and
`adoption` puts it into Millrace's own linear, dnn and wide_deep.
"""
