"""`training`, and the part of it that a model can override."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from millrace.config.values import (
    INT32_MAX,
    CodePath,
    Count,
    NotNegative,
    Number,
    Positive,
    Section,
    Share,
)

Strategy: TypeAlias = Literal[
    "auto", "default", "mirrored", "multi_worker", "parameter_server", "tpu"
]


class DebugConfig(Section):
    """`training.debug`."""

    eager: bool = Field(
        default=False,
        description="Run every step in Python, so that breakpoints work; much slower.",
    )
    check_numerics: bool = Field(
        default=False,
        description="Check each layer's output, gradient and weights for NaN and infinity, and "
        "name the layer and the batch of the first.",
    )
    rows: Count | None = Field(
        default=None, description="Train and validate on this many examples only. Default: all."
    )


class TrainingConfig(Section):
    """`training`."""

    batch_size: Literal["auto"] | Count = Field(
        default="auto",
        description="The global batch size, shared by all replicas. `auto`: 256, or 1024 above "
        "100,000 training examples.",
    )
    epochs: Literal["auto"] | Count = Field(
        default="auto",
        description="The most epochs; early stopping usually ends sooner. `auto`: 100, or 30 "
        "above 100,000 training examples.",
    )
    patience: Literal["auto"] | Count = Field(
        default="auto",
        description="Stop after this many epochs without improvement of `monitor`; the best epoch "
        "is kept. `auto`: 16, or 4 above 100,000 training examples.",
    )
    learning_rate: Literal["auto"] | Positive = Field(
        default="auto", description="`auto`: 0.001 for most kinds of model."
    )
    schedule: Literal["auto", "constant", "cosine"] = Field(
        default="auto",
        description="The schedule of the learning rate: `cosine` decays it to 0 over `epochs`. "
        "`auto`: constant for most kinds of model.",
    )
    weight_decay: Literal["auto"] | NotNegative = Field(
        default="auto",
        description="AdamW's weight decay (multiplied by the learning rate), applied to matrices, "
        "not to biases and embeddings. `auto`: 0.0003 for most kinds of model.",
    )
    clip_norm: Literal["auto"] | NotNegative = Field(
        default="auto",
        description="Clip the global norm of the gradients to this; 0: no clipping. `auto`: 1 for "
        "most kinds of model.",
    )
    moving_average: Literal["auto"] | Share = Field(
        default="auto",
        description="The decay of an exponential moving average of the weights, such as 0.999, "
        "which is then validated and kept; 0: none. `auto`: 0 for most kinds of model.",
    )
    strategy: Strategy = Field(
        default="auto",
        description="default: one device. mirrored: all GPUs of a machine, or `replicas` logical "
        "CPUs. multi_worker: several processes, from TF_CONFIG, SLURM or Kubernetes. "
        "parameter_server: a chief, workers and parameter servers, from TF_CONFIG. tpu: from "
        "TPU_NAME. `auto`: by the devices of the machine.",
    )
    replicas: Literal["auto"] | Count = Field(
        default="auto",
        description="With the strategy mirrored: the number of devices. `auto`: all GPUs.",
    )
    workers: Count = Field(
        default=1,
        description="The number of processes that train a model together, with the strategies "
        "auto and multi_worker: one per node in a SLURM job, else all on this machine. Trees and "
        "adopted models use one.",
    )
    connect_seconds: Number = Field(
        default=120, gt=0, description="With several processes: the seconds to wait for the others."
    )
    callbacks: CodePath | None = Field(
        default=None,
        description="A Python file and a function in it, such as train/mine.py:callbacks, that "
        "returns a list of Keras callbacks. Their public attributes with plain values are saved "
        "in the checkpoints.",
    )
    tensorboard: bool = Field(
        default=False,
        description="Whether to write a log for TensorBoard, in "
        "results/<name>/models/<model>/tensorboard/.",
    )
    dvclive: bool = Field(
        default=False,
        description="Whether to write each epoch's losses and metrics with DVCLive, in "
        "results/<name>/models/<model>/dvclive/.",
    )
    debug: DebugConfig = Field(
        default=DebugConfig(),
        description="Options for debugging a training.",
    )
    checkpoint_minutes: Number = Field(
        default=5,
        ge=0,
        description="The minutes between checkpoints within an epoch; each epoch ends with one. A "
        "killed training resumes from the last.",
    )
    monitor: Literal["val_loss", "val_auc", "val_pr_auc", "val_accuracy", "val_mae"] = Field(
        default="val_loss",
        description="The metric for early stopping and the best epoch, on the validation examples.",
    )
    calibration: Literal["none", "auto"] = Field(
        default="none",
        description="Of a classification, whether to calibrate the probabilities of each model: "
        "`auto` divides its logits by a temperature that lowers the log loss on the validation "
        "examples, if it also lowers that of examples to which it was not fitted.",
    )
    class_weight: (
        Literal["none", "balanced"] | Annotated[Mapping[str, NotNegative], Field(min_length=1)]
    ) = Field(
        default="none",
        description="The weight of a training example in the loss, by its class: a map, in which "
        "a missing class weighs 1; `balanced` gives all classes the same total weight. The "
        "probabilities of such a model are not those of the data.",
    )
    buffer_rows: int = Field(
        default=1000000,
        ge=50000,
        le=INT32_MAX,
        description="The most training examples in memory at once. A larger table is read from "
        "disk in every epoch, in blocks in random order, and the rows in the buffer are shuffled. "
        "Boosted trees load all examples into memory.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32",
        description="The precision of the hidden layers during training; weights, encodings and "
        "the exported model stay float32. Mixed precision is faster on GPUs and TPUs that support "
        "it, and slower on a CPU.",
    )
    jit: Literal["auto"] | bool = Field(
        default="auto",
        description="Whether XLA compiles the training steps, on one device. The first epoch "
        "takes some seconds longer. `auto`: without a GPU, for tabm without dropout, with at "
        "least 25,000 training examples and batches of at most 256.",
    )


class TrainingOverrides(Section):
    """The settings of `training` that a model overrides."""

    batch_size: Count | None = None
    epochs: Count | None = None
    patience: Count | None = None
    learning_rate: Number | None = Field(default=None, gt=0)
    schedule: Literal["constant", "cosine"] | None = None
    weight_decay: Number | None = Field(default=None, ge=0)
    clip_norm: Number | None = Field(default=None, ge=0)
    moving_average: Number | None = Field(default=None, ge=0, lt=1)
