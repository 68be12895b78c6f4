"""Says in one line why the environment cannot be made here. Runs on Python 2.7 and newer."""

import os
import sys

OLDEST, NEWEST = (3, 11), (3, 13)


def obstacle(gigabytes):
    version = "%d.%d" % sys.version_info[:2]
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return (
            "Expected Python 3.11, 3.12 or 3.13, found %s (%s): name another one, as in "
            "`make run PYTHON=python3.12`." % (version, sys.executable)
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return (
            "Expected Python with the module venv, found %s without: install it "
            "(on Debian and Ubuntu: apt-get install python%s-venv)." % (sys.executable, version)
        )
    disk = os.statvfs(".")
    free = disk.f_bavail * disk.f_frsize / 1e9
    if free < gigabytes:
        return (
            "Expected %g GB of free disk space for the environment in %s, found %.1f: "
            "make room, or clone to another disk." % (gigabytes, os.getcwd(), free)
        )
    return None


if __name__ == "__main__":
    sys.exit(obstacle(float(sys.argv[1])))
