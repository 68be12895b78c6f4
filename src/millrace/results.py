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
    """A path within a folder; accessed on an instance of the folder's class, it is a `Path`.

    Attributes:
        path: relative to the folder, with `/`.
        meaning: a description of the artifact for people; empty for intermediate files and for
            folders that contain other entries.
        is_last: whether the report stage or a later one writes it, so that the report cannot give
            its size.
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
    """The output of fetch: the manifest, and the files that it downloaded or wrote."""

    manifest = Entry("manifest.json", "The raw files with their checksums")

    @classmethod
    def of(cls, job: str) -> Self:
        """Returns the folder of the job with this name, relative to the working directory."""
        return cls(Results.of(job).raw)


class PartFolder(Folder):
    """The output of ingest for one part of the raw files, besides its shards."""

    schema = Entry("schema.json")
    account = Entry("ingest.json")
    rejected = Entry("rejected.csv")


class TrainingFolder(Folder):
    """The output of train for one run."""

    description = Entry("training.json", "The settings and the outcome of the run")
    history = Entry("history.csv", "The losses of each epoch, or of each round of trees")
    weights = Entry("model.weights.h5", "The weights of the best epoch")
    tuned = Entry("tuned.yaml", "The best settings of a search, to paste into a config")


class RunFolder(Folder):
    """The output of train and evaluate for one run."""

    training = Entry("training", "The weights, history and settings")
    metrics = Entry("metrics.json", "The metrics with their intervals")
    diagnostics = Entry("diagnostics.json", "Curves, confusion, importance and slices")
    predictions = Entry("predictions.parquet", "The prediction for each row")

    def made(self, evaluated: bool) -> list[Path]:
        """Returns all entries, or only the output of train if the run is not evaluated."""
        training, *rest = [self.folder / entry.path for entry in self.entries()]
        return [training, *rest] if evaluated else [training]


class ConvertedFolder(Folder):
    """The output of a conversion of the SavedModel, besides the models."""

    description = Entry("conversion.json", "Which models were converted, and why others were not")
    onnx = Entry("model.onnx", "The ONNX model")


@dataclass(frozen=True)
class ScoredFile:
    """The output of score for one file of new rows.

    Attributes:
        predictions: one row per scored row; Parquet, CSV or JSON lines by the file's ending.
    """

    predictions: Path

    @property
    def files(self) -> list[Path]:
        """All files that score writes."""
        return [self.predictions, self.rejected, self.account]

    @property
    def rejected(self) -> Path:
        """Each rejected row verbatim, with the reason."""
        return self.predictions.with_suffix(".rejected.csv")

    @property
    def account(self) -> Path:
        """The row account."""
        return self.predictions.with_suffix(".score.json")


class ServedVersion(Folder):
    """What push makes: one version of a model under `serving/<name>`."""

    manifest = Entry("assets.extra/millrace/manifest.json")
    signature = Entry("assets.extra/millrace/signature.json")
    tflite = Entry("assets.extra/millrace/tflite")
    tfjs = Entry("assets.extra/millrace/tfjs")
    onnx = Entry("assets.extra/millrace/onnx")
    parity = Entry("assets.extra/millrace/parity.json")
    blessing = Entry("assets.extra/millrace/blessing.json")
    clients = Entry("assets.extra/millrace/clients")
    warm_up = Entry("assets.extra/tf_serving_warmup_requests")

    @property
    def saved_model(self) -> Path:
        """The SavedModel: the folder itself."""
        return self.folder


# Stands for all models of Millrace's own kinds. Model names cannot contain a hyphen.
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
    onnx = Entry("export/onnx", "ONNX model, or why there is none")
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
    warm_up = Entry("warm_up.tfrecord")
    blessing = Entry("blessing.json")
    pushed = Entry("pushed.json")

    @classmethod
    def of(cls, job: str) -> Self:
        """Returns the results of the job with this name, relative to the working directory."""
        return cls(Path("results", job))

    @classmethod
    def artifacts(cls) -> Iterator[Entry]:
        """Yields the entries with a meaning, in the order of the DAG."""
        yield from (entry for entry in cls.entries() if entry.meaning)

    def recorded(self) -> list[Path]:
        """Returns the artifacts whose checksums are in provenance.json, except those of runs.

        The artifacts of runs are listed one by one, because files of a model that was removed from
        the config may still be there.
        """
        apart = (Results.models, Results.hardware, Results.provenance)
        return [self.folder / entry.path for entry in self.artifacts() if entry not in apart]

    @property
    def exported(self) -> dict[str, Path]:
        """The folders of the exported forms, by the name that checksums and reasons have."""
        return {
            "saved_model": self.saved_model,
            "tflite": self.tflite,
            "tfjs": self.tfjs,
            "onnx": self.onnx,
        }

    def part(self, part: int | str) -> Path:
        """Returns the folder of a part of the raw files (see `PartFolder`)."""
        return self.parts / str(part)

    def run(self, run: str) -> RunFolder:
        """Returns the folder of a run, such as `tabm/seeds/1`."""
        return RunFolder(self.models / run)

    def scored_file(self, file: str, ending: str) -> ScoredFile:
        """Returns the output of score for one of the files of new rows."""
        return ScoredFile(self.scored / f"{file}.{ending}")

    def rehearsal_of(self, rehearsed: str) -> Path:
        """Returns the path of the result of exporting models before their training.

        Each foreign model has its own file; the other models share that of BUILT_IN.
        """
        return self.rehearsal / f"{rehearsed}.json"

    def hardware_of(self, run: str) -> Path:
        """Returns the path of hardware.json, the machine that a run was trained on.

        It is stored outside the run's folder because another machine is no reason to evaluate the
        run again.
        """
        return self.hardware / f"{run}.json"


class Logs(Folder):
    """The logs of a job's stages, with their time and memory, `logs/<name>`."""

    costs = Entry("costs.csv", "The leaderboard with the costs of each model")

    @classmethod
    def of(cls, job: str) -> Self:
        """Returns the logs of the job with this name, relative to the working directory."""
        return cls(Path("logs", job))

    def log(self, stage: str) -> Path:
        """Returns the path of a stage's log; a stage of a run is named `train/<run>`."""
        return self.folder / f"{stage}.log"

    def benchmark(self, stage: str) -> Path:
        """Returns the path of the time and memory of a stage, as measured by Snakemake."""
        return self.folder / f"{stage}.tsv"
