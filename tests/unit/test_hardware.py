import os
import platform
from pathlib import Path

import pytest
import tensorflow as tf

from millrace import hardware


def test_it_describes_this_machine_the_same_every_time() -> None:
    found = hardware.describe(tf.distribute.get_strategy())
    assert found["cores"] == os.cpu_count()
    assert found["replicas"] == 1
    assert len(found["gpus"]) == len(tf.config.list_physical_devices("GPU"))
    assert found == hardware.describe(tf.distribute.get_strategy())


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machines name them otherwise")
def test_the_processor_is_named_as_linux_names_it() -> None:
    text = Path("/proc/cpuinfo").read_text()
    found = hardware.describe(tf.distribute.get_strategy())
    assert f"model name\t: {found['cpu']}\n" in text
    assert all(f" {name} " in text for name in found["instructions"])
