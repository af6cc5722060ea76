"""The topics of the engine, as an operator describes them in topics.yaml.

Invariants:
  T1 the file names each topic once, by its word; a cluster's name for it is prefix + word, never stored
  T2 a topic either deletes by age or compacts; each carries exactly what its way needs
  T3 ledger and journal are never deleted
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from ruamel.yaml import YAML

UNLIMITED: Final = "unlimited"
KEPT_FOR_EVER: Final = frozenset({"ledger", "journal"})

_DAY_MS: Final = 86_400_000
_KIB: Final = 1_024

Days = Annotated[int, Field(ge=1, le=36_500)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,39}$")]


class Role(StrEnum):
    """Who writes a topic and who reads it."""

    INPUT = "input"
    OUTPUT = "output"
    INTERNAL = "internal"


class Topic(BaseModel):
    """One topic, without its name and without its number of partitions, which is the same for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    about: str
    cleanup: Literal["delete", "compact"]
    max_record_kib: Annotated[int, Field(ge=1, le=65_536)]
    retention_days: Days | Literal["unlimited"] | None = None
    delete_retention_days: Days | None = None
    segment_days: Days | None = None

    @model_validator(mode="after")
    def _carries_what_its_way_needs(self) -> Self:
        if self.cleanup == "delete" and self.retention_days is None:
            raise ValueError(f"a topic that deletes needs retention_days: a number of days, or {UNLIMITED}")
        if self.cleanup == "compact" and (self.retention_days is not None or self.delete_retention_days is None):
            raise ValueError("a topic that compacts needs delete_retention_days, and no retention_days")
        if self.cleanup == "delete" and self.delete_retention_days is not None:
            raise ValueError("delete_retention_days belongs to topics that compact")
        return self

    def broker_config(self) -> dict[str, str]:
        """The topic's configuration in the broker's own words and units."""
        config = {"cleanup.policy": self.cleanup, "max.message.bytes": str(self.max_record_kib * _KIB)}
        if self.retention_days is not None:
            days = self.retention_days
            config["retention.ms"] = "-1" if days == UNLIMITED else str(days * _DAY_MS)
            # A limit by size would delete before its time.
            config["retention.bytes"] = "-1"
        if self.delete_retention_days is not None:
            config["delete.retention.ms"] = str(self.delete_retention_days * _DAY_MS)
        if self.segment_days is not None:
            config["segment.ms"] = str(self.segment_days * _DAY_MS)
        return config


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: dict[Word, Topic]

    @model_validator(mode="after")
    def _keeps_the_books(self) -> Self:
        lost = sorted(
            word for word in KEPT_FOR_EVER if word in self.topics and self.topics[word].retention_days != UNLIMITED
        )
        if lost:
            raise ValueError(f"{', '.join(lost)}: the books are kept for ever; set retention_days: {UNLIMITED}")
        return self


@cache
def load_topics() -> Mapping[str, Topic]:
    """Word -> topic, in the order of the file.

    Raises:
        pydantic.ValidationError: topics.yaml has been edited into something that cannot be.
    """
    text = resources.files("config").joinpath("topics.yaml").read_text("utf-8")
    return parse_topics(text)


def parse_topics(text: str) -> Mapping[str, Topic]:
    """Reads the text of a topics file; see load_topics."""
    return _File.model_validate(YAML(typ="safe", pure=True).load(text)).topics


def topic_name(prefix: str, word: str) -> str:
    """The name on the cluster: `topic_name("loyalty.", "ledger")` is `loyalty.ledger`."""
    return prefix + word
