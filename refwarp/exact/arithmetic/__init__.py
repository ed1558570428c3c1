"""What is no operation: numbers, sums that know k and M, budgets, running errors."""
