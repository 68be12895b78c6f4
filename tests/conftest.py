"""What every test module starts from."""

# Before TensorFlow is imported: this sets what it reads from the environment.
import millrace  # noqa: F401
