"""Tables of exchange rates: proposed by one person, approved by another, and what is converted by them."""
