"""What Snakemake sends to Kubernetes for a job. The API server is a fake: no pod ever runs."""

import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.synthetic_jobs import ROOT, make_folder, start

# Installed separately, because Snakemake loads every plugin that it finds.
PLUGIN = Path(sys.prefix) / "plugins" / "kubernetes"

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PLUGIN.exists() and shutil.which("rsync")),
        reason="needs `make .venv/plugins/kubernetes`, as `make test` does, and rsync",
    ),
]


class Cluster(BaseHTTPRequestHandler):
    """Accepts every job, records the request, and reports that the job failed."""

    server: "Server"

    def answer(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/jobs"):
            self.server.jobs.append(body)
        self.answer(body)

    def do_GET(self) -> None:
        self.answer({"items": []} if "/pods" in self.path else {"status": {"failed": 1}})

    def do_DELETE(self) -> None:
        self.answer({"status": "Success"})

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


class Server(ThreadingHTTPServer):
    jobs: list[dict[str, Any]]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Cluster)
    server.jobs = []
    context = {"name": "made", "context": {"cluster": "made", "user": "made"}}
    where = {"server": f"http://127.0.0.1:{server.server_port}"}
    config = {
        "current-context": "made",
        "contexts": [context],
        "clusters": [{"name": "made", "cluster": where}],
        "users": [{"name": "made", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("PYTHONPATH", f"{PLUGIN}:{os.environ.get('PYTHONPATH', '')}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_a_pod_asks_for_what_the_rule_does_and_for_more_when_it_failed(
    tmp_path: Path, cluster: Server
) -> None:
    folder = make_folder(tmp_path / "job", "binary")
    volume = folder  # contains the project
    options = ["--profile", "profiles/kubernetes", "--until", "ingest"]
    options += ["--kubernetes-persistent-volumes", f"millrace:{volume}"]
    options += ["--default-storage-prefix", str(volume), "--seconds-between-status-checks", "1"]
    options += ["--set-resources", "ingest:gpu=1", "ingest:gpu_manufacturer=nvidia"]
    process = start(folder, *options)
    output, _ = process.communicate()
    assert process.returncode != 0, output
    assert len(cluster.jobs) == 3, output  # the first attempt and two retries

    pods = [job["spec"]["template"]["spec"] for job in cluster.jobs]
    (container,) = pods[0]["containers"]
    profile = yaml.safe_load((ROOT / "profiles/kubernetes/config.yaml").read_text())
    assert container["image"] == profile["container-image"]
    assert {"name": "millrace", "mountPath": str(volume)} in container["volumeMounts"]
    assert "ingest:part=1" in container["args"][1]
    requests = [pod["containers"][0]["resources"]["requests"] for pod in pods]
    # One thread, minus the 5 % that the plugin leaves to the node.
    assert {request["cpu"] for request in requests} == {"950m"}
    assert {request["nvidia.com/gpu"] for request in requests} == {"1"}
    memory = [int(re.sub(r"M$", "", request["memory"])) for request in requests]
    assert memory[0] == pytest.approx(1000, rel=0.01)  # a small table needs little
    assert [round(more / memory[0]) for more in memory] == [1, 2, 3]
    assert "snakemake --deploy-sources" in container["args"][1]
