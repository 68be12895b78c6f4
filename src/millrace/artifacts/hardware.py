"""hardware.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact


@dataclass(frozen=True)
class Hardware(Artifact):
    """The machine that a run was trained on, which can affect the last digits of weights.

    Attributes:
        cpu: the processor's name.
        cores: the number the training may use; null if unknown.
        instructions: the vector instructions by which TensorFlow chooses its kernels.
        gpus: the names of the GPUs.
        replicas: the number of replicas of the model.
    """

    cpu: str
    cores: int | None
    instructions: list[str]
    gpus: list[str]
    replicas: int
