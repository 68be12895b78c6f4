"""The paths of all results, each defined once, with a description.

Rules, scripts, provenance, the report and DVC read this table. CONTRIBUTING.md
has the recipe for a new artifact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, overload


@dataclass(frozen=True)
class Entry:
    """A path within a folder. Of an instance of the folder's class it is a `Path`.

    Attributes:
        path: relative to the folder, with `/`.
        meaning: what lies there, for people. Without it the path is no artifact: an intermediate
            file, or a folder that other entries lie in.
        is_last: whether it is made by the report's stage or after it, so that the report itself
            cannot know its size.
    """

    path: str
    meaning: str = ""
    is_last: bool = False

    @overload
    def __get__(self, folder: None, owner: type[Folder]) -> Entry: ...

    @overload
    def __get__(self, folder: Folder, owner: type[Folder]) -> Path: ...

    def __get__(self, folder: Folder | None, owner: type[Folder]) -> Entry | Path:
        return self if folder is None else folder.folder / self.path


@dataclass(frozen=True)
class Folder:
    """A folder with named entries."""

    folder: Path

    @classmethod
    def entries(cls) -> Iterator[Entry]:
        """Yields the entries in the order of the DAG."""
        yield from (value for value in vars(cls).values() if isinstance(value, Entry))


class RawFolder(Folder):
    """What fetch makes: the manifest, and files that it has downloaded or written."""

    manifest = Entry("manifest.json", "The raw files with their checksums")

    @classmethod
    def of(cls, job: str) -> Self:
        """Returns the folder of the job with this name, relative to the working directory."""
        return cls(Results.of(job).raw)


class PartFolder(Folder):
    """What ingest makes of one part of the raw files, beside its shards."""

    schema = Entry("schema.json")
    account = Entry("ingest.json")
    rejected = Entry("rejected.csv")


class TrainingFolder(Folder):
    """What train makes of one run."""

    description = Entry("training.json", "The settings and the outcome of the run")
    history = Entry("history.csv", "The losses of each epoch, or of each round of trees")
    weights = Entry("model.weights.h5", "The weights of the best epoch")
    tuned = Entry("tuned.yaml", "The best settings of a search, to paste into a config")


class RunFolder(Folder):
    """What train and evaluate make of one run."""

    training = Entry("training", "The weights, history and settings")
    metrics = Entry("metrics.json", "The metrics with their intervals")
    diagnostics = Entry("diagnostics.json", "Curves, confusion, importance and slices")
    predictions = Entry("predictions.parquet", "The prediction for each row")

    def made(self, evaluated: bool) -> list[Path]:
        """Returns all of it, or of a run that is not evaluated what train makes."""
        training, *rest = [self.folder / entry.path for entry in self.entries()]
        return [training, *rest] if evaluated else [training]


class ConvertedFolder(Folder):
    """What a conversion of the SavedModel makes, beside the models."""

    description = Entry("conversion.json", "Which models were converted, and why others were not")


@dataclass(frozen=True)
class ScoredFile:
    """What score makes of new rows.

    Attributes:
        predictions: a row for each row that was scored; Parquet, CSV or JSON lines by its ending.
    """

    predictions: Path

    @property
    def files(self) -> list[Path]:
        """All that is written."""
        return [self.predictions, self.rejected, self.account]

    @property
    def rejected(self) -> Path:
        """Each rejected row verbatim, with the reason."""
        return self.predictions.with_suffix(".rejected.csv")

    @property
    def account(self) -> Path:
        """The row account."""
        return self.predictions.with_suffix(".score.json")


# Stands for all models of Millrace's own kinds; no model has a hyphen in its name.
BUILT_IN = "built-in"


class Results(Folder):
    """The results of a job, `results/<name>`."""

    config = Entry("config.yaml")
    raw = Entry("raw")
    code = Entry("code")
    parts = Entry("parts")
    examples = Entry("examples", "The validated TFRecords, one tf.train.Example per row")
    schema = Entry("schema.json", "The columns and their types")
    account = Entry("ingest.json", "The row account")
    rejected = Entry("rejected.csv", "Each rejected row verbatim, with the reason")
    statistics = Entry(
        "statistics.json", "Statistics of the splits, with vocabularies and exact quantiles"
    )
    anomalies = Entry("anomalies.json", "Anomalies of the data, and how cells were interpreted")
    suggestion = Entry(
        "suggested_schema.json",
        "The schema with bounds, allowed values and unique columns, to commit",
    )
    preprocessing = Entry("preprocessing.json", "What the feature columns learned")
    features = Entry("features.yaml", "The feature columns in use, to paste into a config")
    encoded = Entry("encoded", "The encoded examples that all models train on")
    rehearsal = Entry("rehearsal")
    models = Entry(
        "models", "Each model's weights, history, metrics, diagnostics and test predictions"
    )
    hardware = Entry("hardware", "The machine that each run was trained on")
    leaderboard = Entry("leaderboard.csv", "All models by rank, with 95% intervals")
    scores = Entry("scores.json", "The selection metric of each model, for `dvc metrics`")
    curves = Entry("curves.csv", "Learning curves and diagnostics, for `dvc plots`")
    champion = Entry(
        "champion.json", "Which model won, by how much, and whether it passed the gate"
    )
    saved_model = Entry(
        "export/saved_model/1", "SavedModel: signatures serving_default and serving_examples"
    )
    signature = Entry("export/signature.json", "Inputs and outputs of the exported models")
    tflite = Entry("export/tflite", "TF Lite models, and which were shipped and why")
    tfjs = Entry("export/tfjs", "TF.js graph model, or why there is none")
    parity = Entry("parity.json", "The parity certificate, with each runtime's worst row")
    report = Entry("report.html", "The report", is_last=True)
    model_card = Entry("model_card.md", "The champion on one page, for people", is_last=True)
    page = Entry(
        "web/index.html",
        "The champion in a web page: enter a row, see its prediction",
        is_last=True,
    )
    provenance = Entry(
        "provenance.json", "What produced the results, with the checksum of each file", is_last=True
    )

    scored = Entry("scored")

    @classmethod
    def of(cls, job: str) -> Self:
        """Returns the results of the job with this name, relative to the working directory."""
        return cls(Path("results", job))

    @classmethod
    def artifacts(cls) -> Iterator[Entry]:
        """Yields what people may look for, in the order of the DAG."""
        yield from (entry for entry in cls.entries() if entry.meaning)

    def recorded(self) -> list[Path]:
        """Returns the artifacts whose checksums are in provenance.json, beside those of the runs.

        Of the runs they are listed one by one: a model that the config no longer has may have left
        its files behind.
        """
        apart = (Results.models, Results.hardware, Results.provenance)
        return [self.folder / entry.path for entry in self.artifacts() if entry not in apart]

    def part(self, part: int | str) -> Path:
        """Returns the folder of a part of the raw files (see `PartFolder`)."""
        return self.parts / str(part)

    def run(self, run: str) -> RunFolder:
        """Returns the folder of a run, such as `tabm/seeds/1`."""
        return RunFolder(self.models / run)

    def scored_file(self, file: str, ending: str) -> ScoredFile:
        """Returns what score makes of one of the files of new rows."""
        return ScoredFile(self.scored / f"{file}.{ending}")

    def rehearsal_of(self, rehearsed: str) -> Path:
        """Returns the path of what came of exporting models before their training.

        A foreign model has a file of its own, the others share the one of BUILT_IN.
        """
        return self.rehearsal / f"{rehearsed}.json"

    def hardware_of(self, run: str) -> Path:
        """Returns the path of hardware.json, the machine that a run was trained on.

        It is apart from the run: the machine is no reason to evaluate it again.
        """
        return self.hardware / f"{run}.json"


class Logs(Folder):
    """What the stages of a job print and what they take, `logs/<name>`."""

    costs = Entry("costs.csv", "The leaderboard with the costs of each model")

    @classmethod
    def of(cls, job: str) -> Self:
        """Returns the logs of the job with this name, relative to the working directory."""
        return cls(Path("logs", job))

    def log(self, stage: str) -> Path:
        """Returns the path of a stage's log; a stage of a run is named `train/<run>`."""
        return self.folder / f"{stage}.log"

    def benchmark(self, stage: str) -> Path:
        """Returns the path of the time and memory that Snakemake measured of a stage."""
        return self.folder / f"{stage}.tsv"
