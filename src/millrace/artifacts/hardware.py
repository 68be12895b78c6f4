"""hardware.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact


@dataclass(frozen=True)
class Hardware(Artifact):
    """The machine that a run was trained on: it can change the last digits of every weight.

    Attributes:
        cpu: the processor's name.
        cores: those that the training may use; null where the system does not say.
        instructions: the vector instructions by which TensorFlow chooses its kernels.
        gpus: the names of the GPUs.
        replicas: how many copies of the model are trained together.
    """

    cpu: str
    cores: int | None
    instructions: list[str]
    gpus: list[str]
    replicas: int
