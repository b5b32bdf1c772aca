"""Identity: who is asking, and what they may do. Written without a message (DESIGN.md, law 2)."""
