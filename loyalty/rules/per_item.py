"""Points for each item: 2 points for each bag gives 6 points on three bags, and 1 point on half a bag."""

from loyalty.facts import MICRO

LINE_FIELD: str | None = "quantity_micro"
UNITS = MICRO
