import os
import platform
from pathlib import Path

import pytest
import tensorflow as tf

from millrace.training import hardware


def test_it_describes_this_machine_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Use all cores, even if the tests were started with fewer.
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda _: range(os.cpu_count() or 0), raising=False
    )
    found = hardware.describe(tf.distribute.get_strategy())
    assert found.cores == os.cpu_count()
    assert found.replicas == 1
    assert len(found.gpus) == len(tf.config.list_physical_devices("GPU"))
    assert found == hardware.describe(tf.distribute.get_strategy())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no process can be held to a core")
def test_the_cores_are_those_that_the_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert hardware.describe(tf.distribute.get_strategy()).cores == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machines name them otherwise")
def test_the_processor_is_named_as_linux_names_it() -> None:
    text = Path("/proc/cpuinfo").read_text()
    found = hardware.describe(tf.distribute.get_strategy())
    assert f"model name\t: {found.cpu}\n" in text
    assert all(f" {name} " in text for name in found.instructions)
