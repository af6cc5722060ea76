"""Points once for a purchase in which any line counts: 50 points for a basket with a cake in it."""

LINE_FIELD: str | None = None
UNITS = 1
