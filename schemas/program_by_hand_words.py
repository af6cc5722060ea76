"""What operators may do by hand, in a sentence that the author of a program can agree or disagree with.

Not here: the other sentences about a program (program_words.py).
"""

from collections.abc import Callable
from fractions import Fraction

from loyalty.program import Adjustments


def by_hand_words(terms: Adjustments, number: Callable[[Fraction], str]) -> str:
    """The sentence. A program that asks for no second operator lets each of them give any number of points."""
    above = terms.approve_above
    many = "any number of points" if above is None else f"up to {number(above)} points, more with a second operator,"
    tiers = "counts" if terms.qualifies else "does not count"
    beyond = "is refused" if terms.negative == "refuse" else "leaves a debt"
    return (
        f"An operator can give and take {many} by hand; what is given {tiers} for tiers; "
        f"taking more than a member has {beyond}."
    )
