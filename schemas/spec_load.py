"""Reads spec files: text to tree to cases to events and accounts, with all problems at once.

Invariants:
  L1 load_spec answers cases that can be run, or raises ProgramError with every problem's line
  L2 every name that a case uses of the program (tiers, rules, kinds of points) exists there

Not here: running the cases (workers/spec_run.py).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson
from pydantic import ValidationError

from loyalty.account import Head
from loyalty.calendar import local_time
from loyalty.catalogue import PAYMENT
from loyalty.decisions import Code
from loyalty.lots import Lot, added
from loyalty.offers import Reason
from loyalty.program import ActivityRule, Program, PurchaseRule, ReferralRule
from loyalty.tiers import Sums, period_number, qualifying_key
from schemas import spec
from schemas.decode import Undecodable, decode
from schemas.encode import instant_text
from schemas.program_explain import Grammar, explain
from schemas.program_load import SPEC_SUFFIXES, SUFFIXES, load_program, load_programs
from schemas.program_source import Problem, ProgramError, Source, TreePath, parse_source, read_source
from schemas.program_values import did_you_mean, exact
from schemas.refusals import DecodeCode
from schemas.spec_clock import Clock, first_us
from schemas.spec_events import SOURCE, Teller, Told
from schemas.spec_values import DEFAULT

if TYPE_CHECKING:
    from loyalty.budgets import Surprise

_GRAMMAR: Final = Grammar(spec.SpecFile, spec.STEPS, spec.verb_of)
_CODES: Final = frozenset({*Code, *DecodeCode, *Reason})


class ToldCase(NamedTuple):
    """A case that can be run: the accounts that are there, the events, what is expected, and where it stands."""

    name: str
    path: TreePath
    accounts: tuple[Head, ...]
    begins_us: int
    """When the accounts are as they are given: at the first event, or, when time passes first, as the file says."""
    events: tuple[Told, ...]
    then: spec.Then
    lucky: tuple[str, ...] = ()
    """Surprises that are always drawn; no others are."""


class Spec(NamedTuple):
    """The cases of one program. `program` is the version in the file beside them, `programs` all that they need."""

    file: str
    source: Source
    program: Program
    programs: tuple[Program, ...]
    cases: tuple[ToldCase, ...]


def spec_beside(program: Path) -> Path | None:
    """The spec file of a program file, if there is one."""
    if program.suffix not in SUFFIXES:
        return None
    beside = (program.with_name(program.stem + suffix) for suffix in SPEC_SUFFIXES)
    return next((path for path in beside if path.is_file()), None)


def program_beside(path: Path) -> Path:
    """The program file that a spec file belongs to; raises ProgramError when it is not there."""
    stem = next(path.name.removesuffix(suffix) for suffix in SPEC_SUFFIXES if path.name.endswith(suffix))
    for suffix in SUFFIXES:
        program = path.with_name(stem + suffix)
        if program.is_file():
            return program
    hint = f"a spec file belongs to the program beside it, here {stem}.yaml"
    raise ProgramError([Problem(str(path), 1, 1, "", "there is no program beside this file", hint)])


def load_spec(path: Path) -> Spec:
    """The cases of a spec file, with the program beside it; raises ProgramError."""
    beside = program_beside(path)
    program = load_program(beside)
    return _spec(read_source(path), program, beside)


def parse_spec(text: str, program: Program, file: str = "program.spec.yaml") -> Spec:
    """The cases of a text for one version of a program; raises ProgramError."""
    return _spec(parse_source(text, file), program, None)


def currency_of_rules(programs: Iterable[Program]) -> dict[str, str]:
    """Rule -> the kind of points that it gives, as the newest version that has it says."""
    found: dict[str, str] = {}
    for program in programs:
        rules: list[PurchaseRule | ActivityRule | ReferralRule | Surprise] = [
            *program.purchase_rules,
            *program.activity_rules,
            *program.referral_rules,
            *program.surprises,
        ]
        found.update((rule.id, rule.currency) for rule in rules)
        found.update((reward.id, reward.currency) for reward in program.rewards)
        if program.payment is not None:
            found[PAYMENT] = program.payment.currency
    return found


def _spec(source: Source, program: Program, beside: Path | None) -> Spec:
    if not isinstance(source.tree, dict):
        if not source.problems:
            source.report((), "a block of keys was expected", "start with cases:")
        raise ProgramError(source.problems)
    try:
        file = spec.SpecFile.model_validate(source.tree)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            explain(item, source, _GRAMMAR)
        raise ProgramError(source.problems) from None
    programs = _versions(file, source, program, beside)
    begins_us = first_us(program, file.at, source)
    names: dict[str, int] = {}
    cases = []
    for number, case in enumerate(file.cases):
        path = ("cases", number)
        if case.name in names:
            line = source.values[("cases", names[case.name], "name")][0]
            source.report((*path, "name"), f"a case of this name is in line {line}", "say what is different here")
        names.setdefault(case.name, number)
        cases.append(_Reader(source, program, programs).case(case, path, begins_us))
    if source.problems:
        raise ProgramError(source.problems)
    return Spec(source.file, source, program, programs, tuple(cases))


def _versions(file: spec.SpecFile, source: Source, program: Program, beside: Path | None) -> tuple[Program, ...]:
    """All versions that the cases need."""
    if not file.versions:
        return (program,)
    if beside is None:
        source.report(("versions",), "there is no folder to find other versions in")
        return (program,)
    others = [beside.with_name(name) for name in file.versions]
    for other in others:
        if not other.is_file():
            source.report(("versions",), f"there is no file {other.name} beside this one")
            return (program,)
    return load_programs([beside, *others])


class _Reader:
    """Makes cases of one file ready to run."""

    def __init__(self, source: Source, program: Program, programs: tuple[Program, ...]) -> None:
        self.source = source
        self.program = program
        self.tiers = frozenset(level.id for each in programs if each.tiers for level in each.tiers.levels)
        self.rules = currency_of_rules(programs)
        self.surprises = frozenset(rule.id for each in programs for rule in each.surprises)
        self.decimals = {currency.id: currency.decimals for each in programs for currency in each.currencies}

    def case(self, case: spec.Case, path: TreePath, begins_us: int) -> ToldCase:
        teller = Teller(self.program, self.source, Clock(begins_us))
        teller.tell(case.given.earlier, (*path, "given", "earlier"), counted=False)
        teller.tell(case.when, (*path, "when"), counted=True)
        known = self.members(case)
        first = begins_us if teller.told[0].verb == spec.TIME else teller.told[0].time_us
        accounts = [
            self.account(name, case.given.members.get(name, _UNSAID), (*path, "given", "members", name), first)
            for name in known
            if name != spec.MEMBER
        ]
        accounts.append(self.account(spec.MEMBER, case.given, (*path, "given"), first))
        self.then(case.then, (*path, "then"))
        for name, then in case.then.members.items():
            here = (*path, "then", "members", name)
            if name not in known:
                self.source.report(here, f"no step is about {name}", did_you_mean(name, known), at_key=True)
            self.then(then, here)
        for rule in case.given.lucky:
            if rule not in self.surprises:
                hint = did_you_mean(rule, sorted(self.surprises))
                self.source.report((*path, "given", "lucky"), f"there is no surprise {rule}", hint)
        for code in case.then.refused:
            if code not in _CODES:
                hint = did_you_mean(code, sorted(_CODES)) or "docs/dead-letters.md lists them"
                self.source.report((*path, "then", "refused"), f"there is no code {code}", hint)
        told = tuple(teller.told)
        there = tuple(each for each in accounts if each)
        return ToldCase(case.name, path, there, first, told, case.then, case.given.lucky)

    def members(self, case: spec.Case) -> list[str]:
        """Everybody who has a part in the case."""
        steps = (*case.given.earlier, *case.when)
        referrers = [step.referral for step in steps if isinstance(step, spec.ReferralStep)]
        named = [spec.MEMBER, *(step.who for step in steps), *referrers, *case.given.members]
        return list(dict.fromkeys(named))

    def account(self, name: str, given: spec.GivenMember, path: TreePath, first_us: int) -> Head | None:
        """The account of somebody who joined before the case."""
        if given.new:
            said = next((key for key in ("tier", "qualifying", "balance") if getattr(given, key)), None)
            if said is not None:
                self.source.report((*path, said), f"a new member has no {said}", "leave it out, or leave new out")
            return None
        self.contract(name, given, path)
        tiers = self.program.tiers
        head = Head(
            name,
            self.program.effective_from_us,
            segments=given.segments,
            attributes=given.attributes,
            birthday=given.birthday or "",
            tier=tiers.levels[0].id if tiers else "",
            tier_since_us=self.program.effective_from_us,
        )
        for currency, points in self.figures(given.balance, (*path, "balance")).items():
            if points < 0:
                self.source.report((*path, "balance"), "a balance below zero cannot be given", "let steps lead to it")
            head.balances[currency] = (points, 0)
            head.lots[currency] = added("", Lot("given", self.program.effective_from_us, None, points))
        self.standing(head, given, path, first_us)
        return head

    def contract(self, name: str, given: spec.GivenMember, path: TreePath) -> None:
        """What is given of a member must be what an event could have said."""
        data = {"status": "updated", "segments": list(given.segments), "attributes": given.attributes}
        birthday = {"birthday": given.birthday} if given.birthday else {}
        event = {
            "specversion": "1.0",
            "id": "given",
            "source": SOURCE,
            "type": "loyalty.member.v1",
            "time": instant_text(self.program.effective_from_us),
            "subject": name,
            "data": data | birthday,
        }
        decoded = decode(orjson.dumps(event))
        if isinstance(decoded, Undecodable):
            self.source.report(path, f"no member is like that: {decoded.message}")

    def standing(self, head: Head, given: spec.GivenMember, path: TreePath, first_us: int) -> None:
        """Put the member into the tier, with what counts for it on the day on which the case begins."""
        tiers = self.program.tiers
        if tiers is None:
            said = "tier" if given.tier is not None else "qualifying"
            if getattr(given, said) is not None:
                self.source.report((*path, said), "the program has no tiers", "leave it out")
            return
        if given.tier is not None and self.known(given.tier, self.tiers, (*path, "tier"), "tier"):
            head.tier = given.tier
        level = next((level for level in tiers.levels if level.id == head.tier), tiers.levels[0])
        amount = level.threshold
        if given.qualifying is not None:
            spend = tiers.basis == "spend"
            digits = self.program.money_decimals if spend else self.decimals[tiers.currency]
            amount = self.units(given.qualifying, digits, (*path, "qualifying"))
        if amount:
            number = period_number(tiers, local_time(first_us, self.program.zone), head.enrolled_us)
            head.qualifying[qualifying_key(tiers)] = Sums(amount, number, f"{number}:{amount};")

    def then(self, then: spec.ThenMember, path: TreePath) -> None:
        """Check the names of what is expected."""
        self.figures(then.points or {}, (*path, "points"))
        self.figures(then.balance or {}, (*path, "balance"))
        for key, by_rule in (("rules", then.rules), ("forfeited", then.forfeited or {})):
            for rule in by_rule:
                if rule != DEFAULT:
                    self.known(rule, self.rules, (*path, key, rule), "rule")
        if then.tier is not None:
            self.known(then.tier, self.tiers, (*path, "tier"), "tier")

    def figures(self, figures: Mapping[str, str], path: TreePath) -> dict[str, int]:
        """Points by kind, in their smallest units."""
        found = {}
        for name, text in figures.items():
            here = (*path, name) if name != DEFAULT else path
            currency = name or self.program.currencies[0].id
            if self.known(currency, self.decimals, here, "kind of points"):
                found[currency] = self.units(text, self.decimals[currency], here)
        return found

    def units(self, text: str, digits: int, path: TreePath) -> int:
        amount = exact(text) * 10**digits
        if amount.denominator != 1:
            wanted = "whole numbers" if digits == 0 else f"at most {digits} digits after the point"
            self.source.report(path, f"{text} came, {wanted} were expected")
        return int(amount)

    def known(self, name: str, among: Iterable[str], path: TreePath, what: str) -> bool:
        names = sorted(among)
        if name not in names:
            at_key = path[-1] == name
            self.source.report(path, f"there is no {what} {name}", did_you_mean(name, names), at_key=at_key)
        return name in names


_UNSAID: Final = spec.GivenMember()
