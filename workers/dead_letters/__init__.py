"""Dead letters, looked at and sent again.

    advice.py    what to do about each code        again.py    where a letter goes back to, or why it does not
    letters.py   the letters and their marks       sending.py  back to the topics, each once

Invariants:
  D1 the bytes, key and headers that go back are those that came in
  D2 a letter is marked in the transaction that sends it back: it counts as replayed exactly when it was
"""
