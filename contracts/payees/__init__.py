"""How distributors are paid: their accounts, sealed, and who they are."""
