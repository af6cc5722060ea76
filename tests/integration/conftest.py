"""The broker, the prefix and a directory, put together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Cluster


@pytest.fixture
def cluster(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Cluster]:
    """One test's topics and workers."""
    with Cluster(kafka, prefix, tmp_path) as made:
        made.create_topics()
        yield made
