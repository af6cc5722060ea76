"""The files of a replay, as the one part that they are."""

from collections.abc import Iterator
from pathlib import Path

from config.topics import Role, load_topics
from workers.audit.findings import Place
from workers.audit.held import NoAccount, held_in
from workers.audit.part import BALANCES, LEDGER, Account, Record
from workers.ndjson import InputError, Line, Source
from workers.topic_words import ACCOUNTS, DEAD_LETTERS


def output_words() -> tuple[str, ...]:
    """The words of all topics whose records are published for others, dead letters apart."""
    return tuple(word for word, topic in load_topics().items() if topic.role is Role.OUTPUT and word != DEAD_LETTERS)


class FolderPart:
    """What `loyalty replay --out` wrote. A replay writes no keys, and everything of it is there at once."""

    def __init__(self, directory: Path) -> None:
        """Look which files there are. Raises InputError when ledger, balances or accounts are not."""
        self._directory = directory
        for word in (LEDGER, BALANCES, ACCOUNTS):
            if not self._path(word).is_file():
                raise InputError(
                    f"{self._path(word)} is not there\nhint: give the folder that loyalty replay --out has written"
                )
        self.words = tuple(word for word in output_words() if self._path(word).is_file())
        # By a journal, one partition follows the other: the files are not in order of booking.
        self.open_causes_max: int | None = None

    def accounts(self) -> Iterator[Account]:
        """Every line of accounts.ndjson. Raises InputError for one that is no account."""
        for line in self._lines(ACCOUNTS):
            try:
                yield Account(line.number, None, held_in(line.raw))
            except NoAccount as error:
                raise InputError(f"{line.where}: {error}") from error

    def records(self, word: str) -> Iterator[Record]:
        """Every line of a stream's file."""
        for line in self._lines(word):
            yield Record(line.number, None, line.raw)

    def begins(self, word: str) -> int:  # noqa: ARG002 files are whole
        """0: a replay keeps everything."""
        return 0

    def settled(self, word: str) -> None:  # noqa: ARG002
        """None: the accounts are those at the end."""
        return

    def place(self, word: str, offset: int | None = None) -> Place:
        """A file, and a line of it."""
        return Place(str(self._path(word)), None, offset)

    def is_at_home(self, member: str) -> bool:  # noqa: ARG002
        """Every member: there is one part."""
        return True

    def _path(self, word: str) -> Path:
        return self._directory / f"{word}.ndjson"

    def _lines(self, word: str) -> Iterator[Line]:
        return Source(str(self._path(word))).lines()
