"""`training`, and what of it a model may have otherwise."""

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
        default=False, description="Run every step in Python, where breakpoints hold; far slower."
    )
    check_numerics: bool = Field(
        default=False,
        description="Look for NaN and infinity in each layer's output, its gradient and each "
        "weight, and name the layer and the batch where the first is.",
    )
    rows: Count | None = Field(
        default=None, description="Train and validate on so many examples only. Default: on all."
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
        description="At most so many; early stopping usually ends sooner. `auto`: 100, or 30 "
        "above 100,000 training examples.",
    )
    patience: Literal["auto"] | Count = Field(
        default="auto",
        description="Stop after so many epochs in which `monitor` did not improve; the best epoch "
        "is kept. `auto`: 16, or 4 above 100,000 training examples.",
    )
    learning_rate: Literal["auto"] | Positive = Field(
        default="auto", description="`auto`: 0.001 for most kinds of model."
    )
    schedule: Literal["auto", "constant", "cosine"] = Field(
        default="auto",
        description="How the learning rate goes on: `cosine` lets it fall to 0 over `epochs`. "
        "`auto`: constant for most kinds of model.",
    )
    weight_decay: Literal["auto"] | NotNegative = Field(
        default="auto",
        description="Of the matrices, not of biases and embeddings (AdamW's: times the learning "
        "rate). `auto`: 0.0003 for most kinds of model.",
    )
    clip_norm: Literal["auto"] | NotNegative = Field(
        default="auto",
        description="The largest norm of all gradients together; 0 for no limit. `auto`: 1 for "
        "most kinds of model.",
    )
    moving_average: Literal["auto"] | Share = Field(
        default="auto",
        description="The decay of an exponential moving average of the weights, such as 0.999, "
        "which is what is validated and kept; 0 for none. `auto`: 0 for most kinds of model.",
    )
    strategy: Strategy = Field(
        default="auto",
        description="default: one device. mirrored: all GPUs of a machine, or `replicas` logical "
        "CPUs. multi_worker: several processes, by TF_CONFIG, SLURM or Kubernetes. "
        "parameter_server: a chief, workers and parameter servers, by TF_CONFIG. tpu: by "
        "TPU_NAME. `auto`: what the machine has.",
    )
    replicas: Literal["auto"] | Count = Field(
        default="auto",
        description="With the strategy mirrored: on how many devices. `auto`: on all GPUs.",
    )
    workers: Count = Field(
        default=1,
        description="How many processes train a model together, with the strategies auto and "
        "multi_worker: on a node each in a SLURM job, else all on this machine. Trees and adopted "
        "models are left to one.",
    )
    connect_seconds: Number = Field(
        default=120, gt=0, description="With several processes: how long to wait for the others."
    )
    callbacks: CodePath | None = Field(
        default=None,
        description="A Python file and a function in it, such as train/mine.py:callbacks, that "
        "returns a list of Keras callbacks. What they keep in public attributes of plain values "
        "is in the checkpoints.",
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
        description="How closely to watch the training, when something is wrong with it.",
    )
    checkpoint_minutes: Number = Field(
        default=5,
        ge=0,
        description="How often to write a checkpoint within an epoch; each epoch ends with one. A "
        "killed training goes on from the last.",
    )
    monitor: Literal["val_loss", "val_auc", "val_pr_auc", "val_accuracy", "val_mae"] = Field(
        default="val_loss",
        description="What early stopping and the best epoch go by, on the validation examples.",
    )
    class_weight: (
        Literal["none", "balanced"] | Annotated[Mapping[str, NotNegative], Field(min_length=1)]
    ) = Field(
        default="none",
        description="How much a training example counts in the loss, by its class: a map, in "
        "which a class left out counts 1; `balanced` gives all classes the same weight "
        "altogether. Weighted models predict no probabilities of the data as it is.",
    )
    buffer_rows: int = Field(
        default=1000000,
        ge=50000,
        le=INT32_MAX,
        description="How many training examples are in memory at once. A larger table is read "
        "from disk in every epoch, in blocks: their order is random, and the rows of those in the "
        "buffer are mixed. Boosted trees take all examples into memory.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32",
        description="In what the hidden layers compute while they train; weights, encodings and "
        "the exported model stay float32. Mixed precision is faster on GPUs and TPUs with units "
        "for it, and slower on a CPU.",
    )
    jit: Literal["auto"] | bool = Field(
        default="auto",
        description="Whether XLA compiles the training's steps, on one device. It costs the first "
        "epoch seconds. `auto`: without a GPU, for tabm without dropout, from 25,000 training "
        "examples on and batches of at most 256.",
    )


class TrainingOverrides(Section):
    """What of `training` differs for a model."""

    batch_size: Count | None = None
    epochs: Count | None = None
    patience: Count | None = None
    learning_rate: Number | None = Field(default=None, gt=0)
    schedule: Literal["constant", "cosine"] | None = None
    weight_decay: Number | None = Field(default=None, ge=0)
    clip_norm: Number | None = Field(default=None, ge=0)
    moving_average: Number | None = Field(default=None, ge=0, lt=1)
