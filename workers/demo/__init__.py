"""The demo: real baskets and what a seeded generator makes up around them, through a real broker and a worker, live."""
