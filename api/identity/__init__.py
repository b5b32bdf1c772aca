"""Identity: who is asking, and what they may do. Written without a message (DESIGN.md, law 2)."""

import api.identity.reasons  # noqa: F401  (whoever knows identity knows its reasons)
