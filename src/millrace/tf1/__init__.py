"""Models of TensorFlow 1 and Keras 2: run unchanged, adopted, or used to start new ones.

`sources` opens an old model in a tf.compat.v1 session, `feeds` gives it raw rows, `predictor` makes
it one more model of a job. `readers` reads an old model's variables, `rows` finds which of their
rows belong to which id, and `adoption` and `trees` put those of a canned Estimator into Millrace's
own models; `mapping` takes any variable by name.
"""
