"""Who may do what, and how a command reaches its worker."""
