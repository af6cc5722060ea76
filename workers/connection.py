"""How to reach the cluster, as plain values, and in the words of each client.

The settings have seen to it that they agree with each other: aiokafka and Faust would take SASL credentials without
TLS and talk plaintext without a word.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faust import SASLCredentials, SSLCredentials
from faust.types.auth import AuthProtocol, CredentialsT

from workers.fatal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Brokers, and who we are to them."""

    bootstrap_servers: tuple[str, ...]
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """CA certificates to trust; None: those of the system."""
    certificate_file: Path | None = None
    key_file: Path | None = None

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS needs; None without TLS. Raises Refusal for files that cannot be used."""
        if "SSL" not in self.security_protocol:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise Refusal(
                f"the TLS files cannot be used: {error}", hint="check the CA, certificate and key files"
            ) from error
        return context

    def aiokafka(self) -> Mapping[str, Any]:
        """Arguments for every aiokafka client."""
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
        }
        if self._sasl:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    def faust_credentials(self) -> CredentialsT | None:
        """Credentials for faust.App; None for plaintext."""
        context = self.ssl_context()
        if not self._sasl:
            return None if context is None else SSLCredentials(context=context)
        credentials = SASLCredentials(
            username=self.username, password=self.password, mechanism=self.sasl_mechanism, ssl_context=context
        )
        credentials.protocol = AuthProtocol(self.security_protocol)
        return credentials

    def faust_urls(self) -> str:
        """The brokers as Faust wants them."""
        return ";".join(f"kafka://{server}" for server in self.bootstrap_servers)

    @property
    def _sasl(self) -> bool:
        return self.security_protocol.startswith("SASL")
