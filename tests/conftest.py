"""Tests run in several processes, which share the machine."""

import os


def pytest_configure(config):
    """A worker and what it starts compute in the worker's part of the threads."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    if workers:
        threads = max((os.cpu_count() or 1) // workers, 1)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
