"""The routes, a module for each noun. A route reads its request, asks, and answers; it decides nothing."""
