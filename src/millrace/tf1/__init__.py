"""Models of TensorFlow 1 and Keras 2: run unchanged, adopted, or used to start new ones.

`formats` opens an old model in a tf.compat.v1 session, `feeds` converts raw rows to its inputs, and
`predictor` makes it a model of a job. `readers` reads an old model's variables, `vocabulary_rows`
maps their rows to ids, and `adoption` and `trees` copy those of a canned Estimator into Millrace's
own models; `mapping` copies any variable by name.
"""
