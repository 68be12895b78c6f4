"""Dropout that does not depend on the number of replicas, with half as many random bits."""

from typing import Any

import keras
import tensorflow as tf

LEVELS = 1 << 16
# Units per block: Philox draws 128 bits at a time, 16 per unit.
BLOCK = 8


@keras.saving.register_keras_serializable("millrace")
class Dropout(keras.layers.Dropout):
    """Keras' Dropout of [members · n, d], with 16 random bits per unit instead of 32.

    The random numbers depend on the layer's seed, the step, and the example's index in the global
    batch, whichever replica has it. The rate is accurate to 1 / 65536. Source: Philox in Salmon et
    al., 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """

    def __init__(self, rate: float, members: int = 1, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.members = members
        if rate > 0:
            self.seed_generator.state.same_on_replicas = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the inputs; in training a random share is zero and the rest scaled up."""
        if not training:
            return inputs
        units = inputs.shape[1]
        examples = tf.shape(inputs)[0] // self.members
        blocks = self.members * -(-units // BLOCK)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        first = tf.cast(replica * examples * blocks, tf.uint64)
        seed, step = tf.unstack(tf.cast(self.seed_generator.next(), tf.uint64))
        # Not tf.random: it has no counter to start from, and its generator for XLA on CPUs makes a
        # step take twenty times as long.
        words = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[examples * blocks * BLOCK // 2],
            key=[seed],
            counter=[first, step],
            alg=tf.random.Algorithm.PHILOX.value,
            dtype=tf.uint32,
        )
        drawn = tf.reshape(tf.bitcast(words, tf.uint16), [examples, -1])
        if self.members > 1:
            by_member = tf.reshape(drawn, [examples, self.members, -1])
            drawn = tf.reshape(tf.transpose(by_member, [1, 0, 2]), [self.members * examples, -1])
        uniform = tf.cast(drawn[:, :units], tf.float32) / LEVELS
        # floor gives 0 or 1, in vectorized operations.
        kept = tf.floor(uniform + (1 - self.rate))
        return inputs * tf.cast(kept / (1 - self.rate), inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the layer."""
        return {**super().get_config(), "members": self.members}
