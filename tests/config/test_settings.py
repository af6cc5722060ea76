"""Settings come from the environment, say what is wrong in one line each, and never let a password slip out."""

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import Settings, SettingsError, load_settings

SASL = {
    "LOYALTY_SECURITY_PROTOCOL": "SASL_SSL",
    "LOYALTY_SASL_MECHANISM": "SCRAM-SHA-512",
    "LOYALTY_SASL_USERNAME": "worker",
    "LOYALTY_SASL_PASSWORD": "s3cret-value",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nobody has set anything."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LOYALTY_{name.upper()}", raising=False)


def loaded(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()
    assert settings.bootstrap_servers == ("127.0.0.1:9092",)
    assert settings.metrics_host == "127.0.0.1", "what has no password listens on this machine only"
    assert settings.dead_letter_stop_share is None
    assert not settings.accept_program_change
    assert not settings.accept_missing_range


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("LOYALTY_STORE", "Disk", "store", "disk"),
        ("LOYALTY_BOOTSTRAP_SERVERS", "a:1, b:2", "bootstrap_servers", ("a:1", "b:2")),
        ("LOYALTY_PREFIX", "", "prefix", ""),
        ("LOYALTY_PROGRAMS", "one.yaml,more/", "programs", (Path("one.yaml"), Path("more"))),
        ("LOYALTY_PARTITIONS", "12", "partitions", 12),
        ("LOYALTY_DEAD_LETTER_STOP_SHARE", "0.9", "dead_letter_stop_share", Decimal("0.9")),
        ("LOYALTY_LOG_LEVEL", "WARNING", "log_level", "warning"),
        ("LOYALTY_LOG_JSON", "true", "log_json", True),
        ("LOYALTY_SECURITY_PROTOCOL", "ssl", "security_protocol", "SSL"),
        ("LOYALTY_METRICS_PORT", "0", "metrics_port", 0),
        (
            "LOYALTY_ACCEPT_MISSING_RANGE",
            "inbox-0:1-9,dead-b-12:41-0",
            "accept_missing_range",
            ("inbox-0:1-9", "dead-b-12:41-0"),
        ),
    ],
)
def test_a_variable_sets_a_field(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: object
) -> None:
    assert getattr(loaded(monkeypatch, {variable: text}), field) == value


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"LOYALTY_PARTITION": "3"}, r"LOYALTY_PARTITION is no setting; did you mean LOYALTY_PARTITIONS\?"),
        ({"LOYALTY_PARTITIONS": "many"}, r"LOYALTY_PARTITIONS: .*integer.*\(is 'many'\)"),
        ({"LOYALTY_PARTITIONS": "0"}, r"LOYALTY_PARTITIONS: .*greater than or equal to 1"),
        ({"LOYALTY_BOOTSTRAP_SERVERS": " ,"}, r"^LOYALTY_BOOTSTRAP_SERVERS: name at least 1, or leave it out"),
        ({"LOYALTY_ACCEPT_MISSING_RANGE": "true"}, r"LOYALTY_ACCEPT_MISSING_RANGE: .*pattern"),
        ({"LOYALTY_PREFIX": "a b"}, r"LOYALTY_PREFIX: .*pattern"),
        ({"LOYALTY_DEAD_LETTER_STOP_SHARE": "90"}, r"LOYALTY_DEAD_LETTER_STOP_SHARE: .*less than or equal to 1"),
        ({"LOYALTY_MAX_RECORD_BYTES": "262145"}, r"LOYALTY_MAX_RECORD_BYTES: .*262144"),
        ({"LOYALTY_STORE": "rocks"}, r"LOYALTY_STORE: .*'memory' or 'disk' \(is 'rocks'\)"),
        (
            {"LOYALTY_STORE_DIRECTORY": "state"},
            r"LOYALTY_STORE_DIRECTORY would not be used with the store in memory: set LOYALTY_STORE=disk, or remove it",
        ),
        ({"LOYALTY_SASL_USERNAME": "x"}, r"LOYALTY_SASL_USERNAME would not be used with PLAINTEXT"),
        ({"LOYALTY_TLS_CA_FILE": "ca.pem"}, r"LOYALTY_TLS_CA_FILE would not be used with PLAINTEXT"),
        ({"LOYALTY_SECURITY_PROTOCOL": "SASL_SSL"}, r"SASL_SSL needs LOYALTY_SASL_MECHANISM, LOYALTY_SASL_USERNAME"),
        (SASL | {"LOYALTY_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, r"sends the password in the clear: use SASL_SSL"),
        (SASL | {"LOYALTY_TLS_KEY_FILE": "key.pem"}, r"a certificate and its key are set together"),
    ],
)
def test_what_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        loaded(monkeypatch, environment)


def test_every_mistake_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(monkeypatch, {"LOYALTY_PARTITIONS": "0", "LOYALTY_METRICS_PORT": "-1"})
    assert len(str(caught.value).splitlines()) == 2


def test_plaintext_credentials_need_a_clear_word(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = SASL | {"LOYALTY_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "LOYALTY_ALLOW_PLAINTEXT_CREDENTIALS": "true"}
    assert loaded(monkeypatch, plain).security_protocol == "SASL_PLAINTEXT"


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, SASL)
    assert settings.sasl_password is not None
    assert settings.sasl_password.get_secret_value() == "s3cret-value"
    assert "s3cret-value" not in f"{settings} {settings!r} {settings.model_dump_json()}"

    with pytest.raises(SettingsError) as caught:
        loaded(monkeypatch, SASL | {"LOYALTY_SASL_MECHANISM": "ROT13"})
    assert "s3cret-value" not in str(caught.value)


def test_variables_of_the_tests_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, {"LOYALTY_TEST_KAFKA": "127.0.0.1:1"}).bootstrap_servers == ("127.0.0.1:9092",)


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.partitions = 5  # type: ignore[misc]


def test_every_setting_says_what_it_is_for() -> None:
    silent = [name for name, field in Settings.model_fields.items() if not field.description]
    assert silent == []
