"""Runs the cases of a spec file through the engine, and says where what came is not what was expected.

A case is a replay of its steps: bytes that are decoded and decided, each at its own time, after what falls due before
it, and a message right after its cause. Cases share nothing: each begins with accounts of its own.

Invariants:
  C1 a case passes only if every figure that it names is met and exactly the refusals that it names came
  C2 a failing case shows the entries behind it

Not here: reading spec files (schemas/spec_load.py).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from typing_extensions import override

from loyalty.account import Head, Limit, head_key
from loyalty.decide import ACTIVITY
from loyalty.decisions import Decision, Entry, Outcome, RedemptionChange
from loyalty.due import decide_due, is_due
from loyalty.facts import Purchase
from loyalty.plan import Programs
from loyalty.program import Program
from loyalty.reward_news import Status
from schemas.decode import Known, decode
from schemas.program_source import Problem, TreePath, shown_path
from schemas.program_words import number
from schemas.spec import MEMBER, TIME, ThenMember
from schemas.spec_events import Told
from schemas.spec_load import Spec, ToldCase, currency_of_rules
from schemas.spec_values import DEFAULT
from workers.batch import Engine
from workers.entry_words import entry_words
from workers.records import DeadLetter
from workers.replay import Line, Replay, Taken


class Failure(NamedTuple):
    """A case that failed: where and how (`problems`), and how what came came about (`why`)."""

    name: str
    problems: tuple[Problem, ...]
    why: tuple[str, ...]

    def text(self) -> str:
        """As people read it."""
        lines = [str(problem) for problem in self.problems]
        return "\n".join([*lines, f"    in the case: {self.name}", *(f"    {line}" for line in self.why)])


class SpecResult(NamedTuple):
    """What became of the cases of one file."""

    file: str
    cases: int
    failures: tuple[Failure, ...]


@dataclass(slots=True)
class _Came:
    """What the counted events of a case did. Points are in smallest units, by member and kind or rule."""

    points: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    forfeited: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: list[tuple[Told, str, str]] = field(default_factory=list)
    """Event, code and message."""
    before: list[tuple[Told, str, str]] = field(default_factory=list)
    """The same of what happened before the case."""
    notices: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Notices, by member and kind."""
    why: list[str] = field(default_factory=list)

    def book(self, entry: Entry) -> None:
        """Count an entry."""
        account = f"member:{entry.member}:"
        for posting in entry.postings:
            if posting.account.startswith(account):
                self.points[entry.member, posting.currency] += posting.amount
                self.rules[entry.member, posting.rule] += posting.amount
        for step in entry.steps:
            if "forfeited" in step:
                self.forfeited[entry.member, step["rule"]] += step["forfeited"]


def run_spec(spec: Spec) -> SpecResult:
    """Run all cases of a file."""
    drawing: dict[tuple[str, ...], Programs] = {}
    failures = []
    for case in spec.cases:
        if case.lucky not in drawing:
            drawing[case.lucky] = Programs([_drawing(program, case.lucky) for program in spec.programs])
        failure = _Run(spec, drawing[case.lucky], case).failure()
        if failure is not None:
            failures.append(failure)
    return SpecResult(spec.file, len(spec.cases), tuple(failures))


def _drawing(program: Program, lucky: Sequence[str]) -> Program:
    """The program, in which these surprises are always drawn, and no others ever: a case must not hang on luck."""
    drawn = tuple(replace(rule, share=Fraction(1)) for rule in program.surprises if rule.id in lucky)
    return replace(program, surprises=drawn)


def as_of(programs: Programs, head: Head, begins_us: int) -> Head:
    """An account as it is given, when the case begins: the member was there just then, and what was due is over."""
    key = head_key(head.member)
    given = later = replace(head, active=dict.fromkeys(ACTIVITY.values(), begins_us))
    while is_due(programs, later, begins_us):
        later = decide_due(programs, {key: later}, key, begins_us).writes[key]
    return replace(given, kept=later.kept, timed_us=later.timed_us, due_us=later.due_us)


class _Nowhere:
    """A replay's outputs, for a run that looks at what was decided and keeps no files."""

    def add(self, name: str, line: bytes) -> None:
        """Drop it."""

    def restart(self) -> None:
        """Nothing to forget."""

    def write_accounts(self, heads: Iterable[Head], limits: Iterable[Limit]) -> None:
        """Drop them."""


class _Run(Replay):
    """One case, from its accounts to what came out: a replay of its steps, with what falls due between them."""

    def __init__(self, spec: Spec, programs: Programs, case: ToldCase) -> None:
        super().__init__(Engine(programs, partitions=1), _Nowhere())
        self.spec = spec
        self.case = case
        self.versions = {program.version: program for program in spec.programs}
        self.came = _Came()
        self.begin(as_of(programs, head, case.begins_us) for head in case.accounts)
        for place, told in enumerate(case.events):
            self.told, self.headed = told, False
            if told.verb == TIME:
                self.take((), told.time_us)
            else:
                self.take([Line(told.time_us, 0, 0, place, "", told.raw, decode(told.raw))])

    @override
    def write(self, taken: Taken, messages: Sequence[tuple[str, bytes, bytes]]) -> None:
        """Count and explain what became of a step, or of what fell due before it."""
        told, line, answer = self.told, taken.line, taken.answer
        if answer is None:
            raise TypeError("the events of a case name their member")
        if line is None:
            if isinstance(answer, Decision) and not (answer.entries or answer.tiers or answer.notices):
                return  # only looked at
            self.head("in the meantime", taken.time_us)
        elif not self.headed:
            self.head(told.verb, told.time_us)
            self.headed = True
        if isinstance(answer, DeadLetter):
            self.refuse(answer.code, answer.message)
            return
        if answer.outcome is Outcome.DUPLICATE:
            self.say("a duplicate of an earlier step: nothing is given twice")
        fact = line.decoded.fact if line is not None and isinstance(line.decoded, Known) else None
        self.book(answer, fact.currency if isinstance(fact, Purchase) else "")

    def book(self, answer: Decision, money: str) -> None:
        for entry in answer.entries:
            if self.told.counted:
                self.came.book(entry)
            whose = "" if entry.member == MEMBER else f"{entry.member}, "
            first, *others = entry_words(entry, self.versions[entry.version], money)
            for line in (whose + first, *others):
                self.say(line)
        for tier in answer.tiers:
            self.say(f"{tier.member} is now in tier {tier.to_tier}")
        for change in answer.rewards:
            if isinstance(change, RedemptionChange) and change.status == Status.REFUSED:
                self.refuse(change.reason, change.message)
        for notice in answer.notices:
            if self.told.counted:
                self.came.notices[notice.member, notice.kind] += 1
            self.say(f"{notice.member} is told: {notice.kind}")

    def refuse(self, code: str, message: str) -> None:
        told = self.told
        (self.came.refused if told.counted else self.came.before).append((told, str(code), message))
        self.say(f"refused, {code}: {message}")

    def head(self, what: str, time_us: int) -> None:
        """Begin the explanation of an event, or of something due."""
        when = datetime.fromtimestamp(time_us // 1_000_000, ZoneInfo(self.told.zone))
        before = "" if self.told.counted else "earlier "
        self.came.why.append(f"{before}{what}, {when:%a %Y-%m-%d %H:%M}")

    def say(self, line: str) -> None:
        """Keep a line of the explanation."""
        self.came.why.append(f"  {line}")

    def failure(self) -> Failure | None:
        """Compare; None when all is as expected."""
        problems = [*self.refusals(), *self.outcomes()]
        if not problems:
            return None
        return Failure(self.case.name, tuple(sorted(set(problems))), tuple(self.came.why))

    def refusals(self) -> Iterator[Problem]:
        for told, code, message in self.came.before:
            yield self.problem(told.path, f"refused with {code}, but what was given must be taken: {message}")
        wanted = Counter(self.case.then.refused)
        came = Counter(code for _, code, _ in self.came.refused)
        for told, code, message in self.came.refused:
            if code not in wanted:
                hint = f"if that is what the program should do, say it: refused: {code}"
                yield self.problem(told.path, f"refused with {code}: {message}", hint)
        for code in wanted.keys() - came.keys():
            instead = f", {', '.join(sorted(came))} came" if came else ", no step was refused"
            yield self.problem((*self.case.path, "then", "refused"), f"{code} was expected{instead}")

    def outcomes(self) -> Iterator[Problem]:
        then = self.case.then
        path = (*self.case.path, "then")
        yield from self.member(MEMBER, then, path)
        for name, of_member in then.members.items():
            yield from self.member(name, of_member, (*path, "members", name))

    def member(self, name: str, then: ThenMember, path: TreePath) -> Iterator[Problem]:
        program = self.spec.program
        first = program.currencies[0].id
        head = self.record(head_key(name))
        balances = head.balances if isinstance(head, Head) else {}
        balance = {currency: sum(amounts) for currency, amounts in balances.items()}
        points = {currency: amount for (who, currency), amount in self.came.points.items() if who == name}
        rules = {rule: amount for (who, rule), amount in self.came.rules.items() if who == name}
        cut = {rule: amount for (who, rule), amount in self.came.forfeited.items() if who == name}
        of_rule = currency_of_rules(self.spec.programs)
        in_all = {DEFAULT: sum(amount for rule, amount in cut.items() if of_rule.get(rule) == first)}
        kinds = {currency: currency for currency in (*(then.points or {}), *(then.balance or {})) if currency}
        yield from self.figures(then.points, {DEFAULT: points.get(first, 0)} | points, kinds, (*path, "points"))
        yield from self.figures(then.rules, rules, of_rule, (*path, "rules"))
        yield from self.figures(then.forfeited, in_all | cut, of_rule, (*path, "forfeited"))
        yield from self.figures(then.balance, {DEFAULT: balance.get(first, 0)} | balance, kinds, (*path, "balance"))
        told = Counter({kind: times for (who, kind), times in self.came.notices.items() if who == name})
        if then.notices is not None and told != Counter(then.notices):
            shown = ", ".join(sorted(told.elements())) or "none"
            wanted = ", ".join(then.notices) or "none"
            yield self.problem((*path, "notices"), f"{wanted} was expected, {shown} came")
        tier = head.tier if isinstance(head, Head) else ""
        if then.tier is not None and then.tier != tier:
            yield self.problem((*path, "tier"), f"{then.tier} was expected, {tier or 'no tier'} came")

    def figures(
        self, wanted: Mapping[str, str] | None, came: Mapping[str, int], kinds: Mapping[str, str], path: TreePath
    ) -> Iterator[Problem]:
        """Compare figures by name; `kinds` says in which points a name counts."""
        for name, text in (wanted or {}).items():
            currency = kinds.get(name) or self.spec.program.currencies[0].id
            decimals = self.decimals(currency)
            if Fraction(text) * 10**decimals != came.get(name, 0):
                shown = _signed(Fraction(came.get(name, 0), 10**decimals))
                yield self.problem((*path, name) if name != DEFAULT else path, f"{text} was expected, {shown} came")

    def decimals(self, currency: str) -> int:
        kinds = (kind for program in self.spec.programs for kind in program.currencies)
        return next((kind.decimals for kind in kinds if kind.id == currency), 0)

    def problem(self, path: TreePath, message: str, hint: str = "") -> Problem:
        """Something that is not as expected, at its place in the file."""
        source = self.spec.source
        known: TreePath = path
        while known and known not in source.values:
            known = known[:-1]
        return Problem(source.file, *source.values.get(known, (1, 1)), shown_path(path), message, hint)


def _signed(value: Fraction) -> str:
    return f"-{number(-value)}" if value < 0 else number(value)
