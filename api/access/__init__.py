"""Who may do what, and how a command reaches its worker."""

import api.access.refusals  # noqa: F401  (a command may be refused wherever it is sent)
