"""The option that rewrites golden ledgers: pytest tests/golden --update-golden (then review the diff like code)."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the `then` part of golden ledgers")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether to rewrite. Without this folder on the command line the option is not known: then no."""
    return bool(request.config.getoption("--update-golden", default=False))
