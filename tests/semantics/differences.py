"""Where TLS under a plaintext server is allowed to show, call by call, and why. Everything else is a failure.

Each row: engines, cases (a pattern of their names), what stands in the record over plaintext, what stands there instead, and
the reason. A row that no case needs is a failure, too.
"""

ANY = ("auto", "direct", "relay")
INSIDE = ("auto", "direct")
DIRECT = ("direct",)
RELAY = ("relay",)

ALLOWED = []
