"""What a payee gives: accounts and id numbers, checked at the edge, before they are sealed."""
