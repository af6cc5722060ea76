"""Rules that give without a deed, in words: what for, when, and how long what they give lives.

Not here: what all rules say (program_words.py).
"""

from loyalty.occasions import ANNIVERSARY, BIRTHDAY
from loyalty.program import ActivityRule, Duration, Occasion
from schemas.program_circumstances import length, listed


def given_for(rule: ActivityRule) -> str:
    """What an occasion is, as the end of a sentence."""
    terms = rule.occasion or Occasion()
    lead = f", {length(terms.lead)} before the day" if terms.lead != Duration() else ""
    if rule.on == BIRTHDAY:
        leap = " (February 29 is kept on March 1 in other years)" if terms.leap == "mar_1" else ""
        return f"the birthday, once a year{lead}{leap}"
    if rule.on == ANNIVERSARY:
        first = f" from year {terms.from_year} on" if terms.from_year > 1 else ""
        return f"each anniversary of joining{first}{lead}"
    return f"a silence of {length(terms.after)} without {listed(terms.activities, 'or')}, once each time"


def notes(rule: ActivityRule) -> list[str]:
    """What else is said of a rule that gives without a deed."""
    late = rule.occasion.late if rule.occasion is not None else Duration()
    return [
        *([f"up to {length(late)} late for who could not be reached before"] if late != Duration() else []),
        *([f"ends {length(rule.ends_after)} after the day"] if rule.ends_after is not None else []),
        *(["the member is told"] if rule.notice else []),
    ]
