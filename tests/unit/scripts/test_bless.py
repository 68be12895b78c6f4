"""bless, run as in the workflow."""

from pathlib import Path

import numpy as np

from millrace.artifacts.blessing import Blessing
from millrace.serving import warm_up
from tests.conftest import call_script
from tests.helpers.servings import Serving


def test_the_first_model_is_blessed(made_job, tmp_path: Path, monkeypatch, capsys) -> None:
    serving = Serving(made_job("binary").until("convert_tflite"), tmp_path)
    monkeypatch.setattr(
        warm_up, "answers", lambda *_: [np.zeros(1)] * warm_up.ROWS + [np.zeros(warm_up.ROWS)]
    )
    monkeypatch.chdir(tmp_path)
    paths = {"results": serving.results.folder, "serving": serving.versions.folder}
    call_script("bless", {"config": serving.config, **paths})
    found = Blessing.load(serving.results.blessing)
    assert found.blessed and serving.results.warm_up.is_file()
    said = capsys.readouterr().out
    assert "–   overall: no model in use" in said
    assert f"dnn: blessed ({serving.results.blessing})" in said
