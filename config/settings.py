"""Every setting of the worker and the commands, read from `LOYALTY_*` environment variables and nowhere else.

Invariants:
  S1 settings are complete and frozen once loaded; nothing reads the environment later
  S2 a variable that is set and not known is an error: a misspelt setting never stays without effect in silence
  S3 passwords never travel in plaintext unless somebody has said so in so many words
  S4 nothing here shows a password: it is a SecretStr
"""

import difflib
import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX: Final = "LOYALTY_"
TESTS_PREFIX: Final = "LOYALTY_TEST_"
"""Variables of the test suite, which are no settings."""

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
MissingRange = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*-\d+:\d+-\d+$")]
TopicText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,100}$")]


class SettingsError(Exception):
    """One or more settings cannot be used. The message has one line for each, with the variable's name."""


class Settings(BaseSettings):
    """What an operator sets. Lists are comma-separated; durations and sizes carry their unit in the name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    # ------------------------------------------------------------------ the cluster
    bootstrap_servers: Annotated[tuple[str, ...], NoDecode] = Field(default=("127.0.0.1:9092",), min_length=1)
    """Brokers to ask for the rest of the cluster: host:port, comma-separated."""

    prefix: TopicText = "loyalty."
    """What every topic name begins with. Two engines on one cluster need two prefixes."""

    partitions: int = Field(default=4, ge=1, le=1_000)
    """Number of partitions of every topic. Fixed once there are accounts; the most workers that can share the load."""

    security_protocol: SecurityProtocol = "PLAINTEXT"
    """How to talk to the brokers: PLAINTEXT, SSL, SASL_SSL, or SASL_PLAINTEXT (see allow_plaintext_credentials)."""

    sasl_mechanism: SaslMechanism | None = None
    """How to log in: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. Needed with SASL."""

    sasl_username: str | None = None
    """User name. Needed with SASL."""

    sasl_password: SecretStr | None = None
    """Password. Needed with SASL. Never shown or logged."""

    tls_ca_file: Path | None = None
    """Certificates to trust, PEM. Default: those of the system."""

    tls_certificate_file: Path | None = None
    """Our own certificate, PEM, for brokers that ask for one."""

    tls_key_file: Path | None = None
    """The key of our own certificate, PEM."""

    allow_plaintext_credentials: bool = False
    """Accept SASL_PLAINTEXT, where everyone on the way can read the password. For closed test networks only."""

    # ------------------------------------------------------------------ the worker
    app_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "loyalty"
    """Name of the consumer group and of the transactions. All workers of one engine share it; no other may."""

    programs: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(Path(__file__).with_name("programs") / "coffee-club.yaml",), min_length=1
    )
    """Program files, or folders of program versions, comma-separated."""

    data_directory: Path = Path(".local/worker")
    """Where the worker may keep files of its own. Losing it costs a longer restore, nothing else."""

    store: Literal["memory", "disk"] = "memory"
    """Where the state of members is kept: memory, restored at each start; or disk, for more members than memory."""

    store_directory: Path | None = None
    """Where the store on disk keeps its files. Default: `state` in data_directory. One worker at a time can use it."""

    batch_records_max: int = Field(default=2_000, ge=1, le=50_000)
    """The most records that one transaction takes. More is faster and makes each wait longer."""

    batch_interval_ms: int = Field(default=40, ge=0, le=10_000)
    """How far apart transactions of a partition begin under load. Less: more work for brokers. More: longer waits."""

    max_record_bytes: int = Field(default=262_144, ge=1_024, le=262_144)
    """The largest event that is accepted, at most what the contract allows; a larger one becomes a dead letter."""

    transaction_timeout_seconds: int = Field(default=15, ge=2, le=900)
    """After this long the broker ends a transaction that its worker left open. Until then its readers wait."""

    session_timeout_seconds: int = Field(default=20, ge=6, le=300)
    """After this long without a sign of life a worker's partitions go to the others."""

    idle_batch_seconds: int = Field(default=30, ge=1, le=3_600)
    """How often time is moved on in a partition without events, so that what falls due is decided."""

    dead_letter_stop_share: Decimal | None = Field(default=None, gt=0, le=1)
    """Stop before a batch of which at least this share would become dead letters, for example 0.9. Default: never."""

    accept_program_change: bool = False
    """Start although a program version in use has changed, is missing, or begins in the past. Look twice."""

    accept_missing_range: Annotated[tuple[MissingRange, ...], NoDecode] = ()
    """Start although these records are gone from input topics: as the refusal names them, comma-separated."""

    # ------------------------------------------------------------------ watching it
    metrics_host: str = "127.0.0.1"
    """Where /metrics, /healthz and /readyz listen. In a container: 0.0.0.0."""

    metrics_port: int = Field(default=9_464, ge=0, le=65_535)
    """Port of /metrics, /healthz and /readyz. 0 takes any free one and logs it."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much to log. Member data appears at debug only."""

    log_json: bool | None = None
    """Log one JSON object a line. Default: when standard error is not a terminal."""

    @field_validator("accept_missing_range", "bootstrap_servers", "programs", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_level", "security_protocol", "sasl_mechanism", "store", mode="before")
    @classmethod
    def _ignore_case(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        return value.lower() if info.field_name in {"log_level", "store"} else value.upper()

    @model_validator(mode="after")
    def _store_settings_agree(self) -> Self:
        if self.store_directory is not None and self.store != "disk":
            raise _contradiction(
                f"{PREFIX}STORE_DIRECTORY would not be used with the store in memory: "
                f"set {PREFIX}STORE=disk, or remove it"
            )
        return self

    @model_validator(mode="after")
    def _security_settings_agree(self) -> Self:
        uses_sasl = self.security_protocol.startswith("SASL")
        uses_tls = "SSL" in self.security_protocol
        login = {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_username": self.sasl_username,
            "sasl_password": self.sasl_password,
        }
        files = {
            "tls_ca_file": self.tls_ca_file,
            "tls_certificate_file": self.tls_certificate_file,
            "tls_key_file": self.tls_key_file,
        }
        if uses_sasl and None in login.values():
            missing = _variables(name for name, value in login.items() if value is None)
            raise _contradiction(f"{self.security_protocol} needs {missing}")
        if not uses_sasl and any(login.values()):
            given = _variables(name for name, value in login.items() if value)
            raise _contradiction(f"{given} would not be used with {self.security_protocol}: use SASL_SSL, or remove it")
        if uses_sasl and not uses_tls and not self.allow_plaintext_credentials:
            raise _contradiction(
                "SASL_PLAINTEXT sends the password in the clear: use SASL_SSL, "
                f"or set {PREFIX}ALLOW_PLAINTEXT_CREDENTIALS=true on a closed network"
            )
        if not uses_tls and any(files.values()):
            given = _variables(name for name, value in files.items() if value)
            raise _contradiction(f"{given} would not be used with {self.security_protocol}: use SSL or SASL_SSL")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise _contradiction("a certificate and its key are set together or not at all")
        return self


def load_settings() -> Settings:
    """The settings of this process, from its environment.

    Raises:
        SettingsError: a variable is unknown (S2) or its value cannot be used.
    """
    unknown = unknown_variables(os.environ)
    if unknown:
        raise SettingsError("\n".join(unknown))
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentences(error))) from error


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    sentences = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and not name.startswith(TESTS_PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            sentences.append(f"{name} is no setting{f'; did you mean {close[0]}?' if close else ''}")
    return sentences


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for each in error.errors(include_url=False, include_context=False):
        name = _variables(str(part) for part in each["loc"][:1])
        if each["type"] == "too_short":  # What pydantic says of it is about tuples.
            sentences.append(f"{name}: name at least 1, or leave it out for the default")
            continue
        # A password must not get into a log by being wrong.
        shown = "" if "PASSWORD" in name else f" (is {each['input']!r})"
        sentences.append(f"{name}: {each['msg']}{shown}" if name else each["msg"])
    return sentences


def _variables(names: Iterable[str]) -> str:
    return ", ".join(PREFIX + name.upper() for name in names)


def _contradiction(sentence: str) -> PydanticCustomError:
    # The sentence is an argument and not the template, in which braces would be replaced.
    return PydanticCustomError("contradiction", "{sentence}", {"sentence": sentence})
