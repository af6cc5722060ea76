"""Points for each unit of money: 1 point for each 1.00 gives 19 points on 19.99."""

LINE_FIELD: str | None = "amount_minor"
UNITS = 1
