"""Keeps back what TensorFlow says of oneDNN at each import, which no log level does."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

NOISE = "oneDNN custom operations are on|before absl::InitializeLog"


class QuietImport:
    """Finds TensorFlow as Python does, and filters standard error while it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns None for other modules, which leaves them to the finders behind this one."""
        spec = PathFinder.find_spec(name, path, target) if name == "tensorflow" else None
        if spec and spec.loader:
            load = spec.loader.exec_module

            def load_quietly(module: ModuleType) -> None:
                with ExitStack() as filtered:
                    # Noise, where there is no grep, is no reason not to import.
                    with suppress(OSError):
                        filtered.enter_context(_filtered_stderr())
                    load(module)

            # The loader is this module's alone.
            spec.loader.exec_module = load_quietly  # type: ignore[method-assign]
        return spec


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    """Keeps the noise out of file descriptor 2, to which libraries write past `sys.stderr`.

    The filter is a process of its own: a library that ends this one still has its say.
    """
    with os.fdopen(os.dup(2), "wb") as stderr:
        command = ["grep", "--text", "--line-buffered", "-Ev", NOISE]
        filter_ = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stderr)
        assert filter_.stdin
        os.dup2(filter_.stdin.fileno(), 2)
        filter_.stdin.close()
        try:
            yield
        finally:
            os.dup2(stderr.fileno(), 2)
            # What the import has started holds the pipe too, perhaps for long.
            with suppress(subprocess.TimeoutExpired):
                filter_.wait(1)
