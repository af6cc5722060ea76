"""Where the state of a partition is kept while a worker owns it: the port, and each way to serve it.

The changelog topic is the truth. A store is a copy that can be thrown away and built again.
"""
