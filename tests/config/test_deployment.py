"""The files that start the worker elsewhere name settings that exist: one that does not would end it at once."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from config.settings import unknown_variables

ROOT = Path(__file__).parents[2]


def test_the_image_sets_settings_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    named = dict(re.findall(r"\b(LOYALTY_\w+)=(\S+)", text))
    assert {"LOYALTY_METRICS_HOST", "LOYALTY_DATA_DIRECTORY"} <= named.keys()
    assert unknown_variables(named) == []


def test_the_image_asks_whether_the_worker_is_alive() -> None:
    """Not whether it is ready: a long restore would have it killed."""
    (check,) = re.findall(r"^HEALTHCHECK (?:.*\\\n)*.*", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"127\.0\.0\.1:9464(/\w+)", check) == ["/healthz"]


def test_compose_sets_settings_that_exist() -> None:
    services = YAML(typ="safe", pure=True).load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    ours = {name: service for name, service in services.items() if service["image"].startswith("loyalty:")}
    assert ours.keys() == {"topics", "worker"}
    for name, service in ours.items():
        settings = {each for each in service["environment"] if each.startswith("LOYALTY_")}
        assert "LOYALTY_BOOTSTRAP_SERVERS" in settings, name
        assert unknown_variables(dict.fromkeys(settings, "")) == []
