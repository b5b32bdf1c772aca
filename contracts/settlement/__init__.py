"""Settlement: what is earned becomes what is owed, by period, on a statement."""
