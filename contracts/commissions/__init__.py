"""Commissions: what each upline earns from an order, and what is taken back."""
