"""The contracts: what may come in, what goes out, and the translation to and from the domain's facts.

`decode` turns bytes into a fact, an anonymous sale, or a refusal with a code and a sentence; it never raises.
`encode` turns entries and changes into bytes. The models hold the bounds; JSON Schemas are made from them.
Read in this order: scalars, envelope, purchase, decode, outputs, encode. The program file has models of its own
(program), examples/ shows every inbound event, right and wrong.

Not here: what a fact is worth (loyalty/), how bytes travel (workers/).
"""
