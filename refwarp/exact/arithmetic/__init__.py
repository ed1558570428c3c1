"""What is no operation: numbers, functions and matrices of them, sums that know k and M, budgets, running errors."""
